//! The rules of the browser's object, and the tests that hold them: each rule
//! must name tests that exist.
//!
//! Rules are numbered as constructor (C), opening handshake (H), states (S),
//! closing (X), sending (N), messages (M), events (E), streams (T).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Rule, what it says in short, and tests of the object without I/O.
const RULES: &[(&str, &str, &[&str])] = &[
    // Constructor.
    (
        "C1",
        "the URL parser decides what a URL is",
        &["c1_urls_are_parsed_as_the_url_standard_has_it"],
    ),
    (
        "C2",
        "relative URLs need a base",
        &["c2_relative_urls_need_a_base", "c2_an_absolute_url_needs_no_base_that_can_be_one"],
    ),
    ("C3", "http becomes ws, https wss", &["c3_http_becomes_ws_and_https_wss"]),
    ("C4", "no other scheme", &["c4_no_other_scheme_will_do"]),
    ("C5", "no fragment, not even an empty one", &["c5_not_even_an_empty_fragment"]),
    ("C6", "protocols are none, one, or a list", &["c6_protocols_are_none_or_one_or_a_list"]),
    ("C7", "a protocol is a token", &["c7_a_protocol_is_a_token"]),
    ("C8", "no protocol twice, in whatever case", &["c8_no_protocol_twice_in_whatever_case"]),
    (
        "C9",
        "URL, scheme, fragment, page, protocols: in this order, and before anything else",
        &[
            "c9_checks_come_in_the_order_of_the_standard",
            "c9_nobody_is_asked_before_all_checks_pass",
        ],
    ),
    ("C10", "attributes right after construction", &["c10_attributes_right_after_construction"]),
    ("C11", "url is what the parser writes", &["c11_the_url_is_what_the_parser_writes"]),
    (
        "C12",
        "nothing happens before the loop turns",
        &["c12_nothing_happens_before_the_callers_loop_turns"],
    ),
    (
        "C13",
        "blocked ports: fail, throw, allow",
        &[
            "c13_the_list_is_that_of_the_fetch_standard",
            "c13_a_bad_port_fails_the_connection_and_nobody_is_asked",
            "c13_a_bad_port_can_be_an_exception",
            "c13_a_bad_port_can_be_allowed",
            "c13_a_bad_port_counts_for_no_limit",
        ],
    ),
    (
        "C14",
        "mixed content, but for loopback",
        &[
            "c14_a_page_that_came_over_tls_uses_no_ws",
            "c14_a_relative_url_on_a_page_over_tls_is_wss",
        ],
    ),
    ("C15", "more options may come", &["c15_options_leave_room_for_more"]),
    // Opening handshake.
    (
        "H1",
        "GET, resource name, Host",
        &["h1_the_request_is_this_to_the_byte", "h1_resource_name_and_host"],
    ),
    (
        "H2",
        "the headers of the handshake, a fresh key",
        &[
            "h2_the_headers_of_the_handshake_are_there_once",
            "h2_the_key_is_fresh",
            "h2_the_request_is_made_once_and_when_connected",
        ],
    ),
    ("H3", "protocols in one header", &["h3_protocols_are_in_one_header"]),
    ("H4", "permessage-deflate is offered", &["h4_compression_is_offered_as_browsers_do"]),
    (
        "H5",
        "Origin, no Referer, cookies, Basic",
        &[
            "h5_origin_is_that_of_the_page_and_referer_is_never_sent",
            "h5_a_user_and_a_password_become_basic_authorization",
            "h5_cookies_are_asked_for_and_sent",
            "h5_set_cookie_is_honoured_whether_the_reply_accepts_or_not",
        ],
    ),
    (
        "H6",
        "another status fails, no redirect",
        &[
            "h6_another_status_fails_and_no_redirect_is_followed",
            "h6_a_refusal_is_one_before_its_body_has_come",
            "h6_interim_replies_are_not_the_reply",
        ],
    ),
    ("H7", "Upgrade, Connection, Accept", &["h7_upgrade_connection_and_accept_are_verified"]),
    (
        "H8",
        "a protocol that was asked for must be selected",
        &["h8_protocols_were_asked_for_and_none_is_selected"],
    ),
    ("H9", "and no other", &["h9_a_protocol_that_was_not_asked_for_fails"]),
    (
        "H10",
        "no extension but what was offered",
        &[
            "h10_an_extension_that_was_not_offered_or_a_bad_parameter_fails",
            "h10_deflate_stream_is_neither_offered_nor_accepted",
        ],
    ),
    ("H11", "one connecting at a time to a host and port", &[]),
    (
        "H12",
        "every failure looks the same",
        &[
            "h12_every_cause_gives_the_same_events_and_a_diagnostic_of_its_own",
            "h12_what_an_end_leaves_of_a_reply_does_not_matter",
            "h12_the_handshake_has_its_time",
        ],
    ),
    // States and events.
    ("S1", "four numbers", &["s1_states_are_numbers"]),
    (
        "S2",
        "changes are tasks",
        &["s2_the_network_changes_no_attribute", "s2_one_turn_is_one_task"],
    ),
    (
        "S3",
        "open: attributes, then the event",
        &[
            "s3_when_it_is_open_everything_can_be_read_before_the_event",
            "s3_extensions_are_empty_if_there_are_none",
        ],
    ),
    (
        "S4",
        "no message once close was called",
        &[
            "s4_a_message_that_comes_after_close_was_called_is_dropped",
            "s4_a_message_before_the_servers_close_is_not_dropped",
        ],
    ),
    (
        "S5",
        "the server's Close: closing without an event",
        &[
            "s5_the_servers_close_makes_it_closing_and_its_end_closed",
            "s5_the_script_may_close_when_the_server_has",
        ],
    ),
    (
        "S6",
        "closed, then error?, close, and nothing more",
        &[
            "s6_events_follow_the_grammar_whatever_happens",
            "s6_handlers_may_do_anything_and_the_grammar_holds",
            "s6_it_is_closed_before_the_events_and_nothing_comes_after",
        ],
    ),
    (
        "S7",
        "wasClean",
        &[
            "s7_clean_is_a_close_frame_both_ways",
            "s7_a_server_that_closes_and_keeps_the_transport_is_clean_too",
            "s7_a_close_that_was_never_sent_makes_no_clean_end",
            "s7_a_stream_that_breaks_when_all_was_said_is_clean_too",
        ],
    ),
    ("S8", "an abrupt end", &["s8_an_abrupt_end_is_a_failure"]),
    ("S9", "never 1015", &["s9_no_trouble_with_tls_is_1015"]),
    (
        "S10",
        "close() while connecting",
        &[
            "s10_closing_while_connecting_is_a_failure_and_never_open",
            "s10_before_there_is_a_connection_nobody_is_asked_any_more",
            "s10_a_server_that_thinks_it_is_open_is_told",
        ],
    ),
    // close().
    ("X1", "codes", &["x1_the_code_is_1000_or_from_3000_to_4999"]),
    ("X2", "123 bytes of reason", &["x2_the_reason_has_123_bytes_at_most"]),
    (
        "X3",
        "code, reason, state: in this order",
        &["x3_the_code_is_looked_at_before_the_reason_and_both_before_the_state"],
    ),
    ("X4", "twice is once", &["x4_closing_twice_is_closing_once"]),
    (
        "X5",
        "while connecting",
        &[
            "x5_closing_while_connecting_is_closing_at_once_and_a_failure_later",
            "x5_what_failed_before_is_the_reason_still",
        ],
    ),
    ("X6", "without arguments: an empty Close", &["x6_without_code_and_reason_the_frame_is_empty"]),
    ("X7", "a reason without a code", &["x7_a_reason_without_a_code_goes_with_1000"]),
    ("X8", "what was sent goes before", &["x8_what_was_sent_before_goes_out_before"]),
    (
        "X9",
        "code and reason are the server's",
        &["x9_the_event_has_the_code_and_the_reason_of_the_server"],
    ),
    ("X10", "a silent server", &["x10_a_silent_server_is_waited_for_ten_seconds"]),
    (
        "X11",
        "Close frames that may not be",
        &["x11_codes_that_may_not_be_on_the_wire_fail", "x11_a_close_frame_that_is_none_fails"],
    ),
    (
        "X12",
        "surrogates in a reason",
        &["x12_lone_surrogates_of_a_reason_are_replaced_and_then_measured"],
    ),
    // send() and bufferedAmount.
    ("N1", "not while connecting", &["n1_nothing_can_be_sent_while_connecting"]),
    (
        "N2",
        "too late: dropped, and counted for ever",
        &[
            "n2_what_is_sent_when_it_is_too_late_is_dropped_and_counts_for_ever",
            "n2_closed_by_the_server_is_too_late_before_the_script_knows",
        ],
    ),
    ("N3", "strings are UTF-8", &["n3_a_string_is_text_in_utf8"]),
    ("N4", "bytes, and parts of them", &["n4_bytes_are_binary_and_a_part_is_a_part"]),
    ("N5", "empty messages", &["n5_empty_messages_are_messages"]),
    ("N6", "what is no string becomes one in the binding", &["n6_n7_sending_gives_nothing"]),
    ("N7", "nothing is returned", &["n6_n7_sending_gives_nothing"]),
    (
        "N8",
        "bufferedAmount to the byte, as of the last turn",
        &[
            "n8_memory_goes_back_when_much_was_written",
            "n8_in_one_task_it_only_grows",
            "n8_frames_and_control_frames_do_not_count",
            "n8_partial_writes_are_counted_to_the_byte",
            "n8_it_grows_while_it_is_written",
            "n8_compressed_messages_count_as_they_were_sent",
            "n8_other_ends_of_the_wire_do_not_count",
        ],
    ),
    ("N9", "closing sets nothing back", &["n9_closing_sets_nothing_back"]),
    (
        "N10",
        "a full buffer fails",
        &[
            "n10_what_fills_the_buffer_is_forgotten",
            "n10_a_full_buffer_fails_the_connection",
            "n10_what_is_not_sent_fills_no_buffer",
        ],
    ),
    ("N11", "64 bits, read-only", &["n11_it_is_a_number_of_64_bits_that_cannot_be_set"]),
    // Messages.
    (
        "M1",
        "text and binary, by binaryType when it fires",
        &["m1_binary_type_is_looked_at_when_the_event_fires"],
    ),
    ("M2", "two words", &["m2_binary_type_is_one_of_two_words"]),
    ("M3", "origin", &["m3_the_origin_is_that_of_the_url"]),
    (
        "M4",
        "fragments joined, pings unseen",
        &[
            "m4_fragments_are_joined_and_pings_are_not_seen",
            "m4_compressed_fragments_are_joined_too",
        ],
    ),
    ("M5", "invalid UTF-8: 1007", &["m5_text_that_is_not_utf8_fails_with_1007"]),
    ("M6", "noncharacters are fine", &["m6_noncharacters_are_characters"]),
    ("M7", "a BOM stays", &["m7_a_byte_order_mark_is_kept"]),
    (
        "M8",
        "long messages, and limits that allocate nothing",
        &[
            "m8_messages_of_16_and_of_64_mib_are_taken",
            "m8_one_byte_more_fails_with_1009",
            "m8_lengths_of_2_to_63_and_more_fail",
            "m8_what_is_inflated_is_limited_while_it_is",
            "m8_a_length_that_is_announced_allocates_nothing",
            "m8_memory_of_messages_is_the_scripts",
        ],
    ),
    // Events and handlers.
    (
        "E1",
        "four events",
        &[
            "e1_there_are_four_events_with_these_names",
            "e1_typed_handlers_get_what_their_event_has",
            "e1_turn_calls_nobody_and_dispatch_gives_what_it_told",
        ],
    ),
    (
        "E2",
        "handlers and listeners in order",
        &[
            "e2_handlers_and_listeners_are_called_in_the_order_they_were_set",
            "e2_a_handler_is_replaced_in_its_place",
            "e2_each_kind_has_a_handler_of_its_own",
            "e2_a_listener_is_removed_by_its_name",
            "e2_who_is_removed_during_an_event_is_not_called_any_more",
            "e2_who_is_added_during_an_event_is_called_from_the_next_on",
            "e2_a_handler_that_is_replaced_before_its_turn_is_the_new_one",
            "e2_a_handler_may_replace_or_remove_itself",
        ],
    ),
    ("E3", "CloseEvent defaults", &["e3_a_close_event_has_defaults"]),
    (
        "E4",
        "handlers may do anything",
        &[
            "e4_a_handler_may_send_and_close",
            "e4_a_handler_may_close_in_every_event",
            "e4_a_handler_may_turn_the_loop_itself",
            "e4_a_handler_that_panics_leaves_the_others",
        ],
    ),
    (
        "E5",
        "dropped, or going away",
        &["e5_going_away_is_1001", "e5_dropping_it_frees_its_handlers"],
    ),
];

/// How many rules each section has.
const SECTIONS: [(&str, usize); 7] =
    [("C", 15), ("H", 12), ("S", 10), ("X", 12), ("N", 11), ("M", 8), ("E", 5)];

/// What only the adapters can show, because sockets, threads and timers are in
/// it: rule, and tests of `tests/web_blocking.rs` and `tests/web_tokio.rs`.
const CARRIERS: &[(&str, &[&str])] = &[
    ("C12", &["c12_nothing_happens_before_the_caller_has_returned_to_its_loop"]),
    (
        "C13",
        &[
            "c13_the_network_is_never_asked_for_a_blocked_port",
            "c13_nothing_is_said_over_a_stream_to_a_blocked_port",
        ],
    ),
    ("H8", &["h8_no_protocol_of_those_asked_for_is_a_failure"]),
    (
        "H11",
        &[
            "h11_waiting_for_ones_turn_takes_as_long_as_it_takes",
            "h11_a_second_socket_waits_until_the_first_is_open_or_has_failed",
            "h11_an_open_socket_keeps_nobody_waiting_though_nobody_asks_it",
            "h11_a_socket_that_is_dropped_while_connecting_keeps_nobody_waiting",
            "h11_a_socket_that_is_closed_while_connecting_keeps_nobody_waiting",
            "h11_a_stream_that_is_closed_while_connecting_keeps_nobody_waiting",
            "h11_whoever_does_not_want_to_wait_does_not",
            "h11_no_two_handshakes_are_ever_under_way",
        ],
    ),
    (
        "H12",
        &[
            "h12_silence_and_refusals_are_failures_at_once",
            "h12_to_a_server_that_does_not_answer_there_is_no_farewell",
            "h12_nobody_there_is_a_failure",
            "h12_a_reply_that_opens_nothing_is_a_failure",
            "h12_a_failure_is_told_though_the_server_stays",
            "h12_silence_is_a_failure_after_the_time_for_the_handshake",
            "h12_a_silent_server_has_the_time_for_the_handshake_and_no_more",
            "h12_a_server_that_takes_no_request_has_no_more_time",
            "h12_a_failure_is_told_at_once_whether_the_server_hangs_up_or_not",
            "h12_a_reset_is_told_as_such_to_those_who_may_know",
        ],
    ),
    ("S2", &["s2_state_changes_only_with_the_event_that_tells_of_it"]),
    (
        "S6",
        &[
            "s6_the_close_event_comes_when_the_transport_is_closed",
            "s6_events_come_in_order_and_none_after_close",
        ],
    ),
    (
        "S7",
        &[
            "s7_both_closes_make_a_clean_end_and_the_server_ends_tcp_first",
            "s7_both_closes_make_a_clean_end_whoever_begins",
            "s7_1_1_after_a_clean_close_the_server_ends_tcp_first",
        ],
    ),
    (
        "S8",
        &[
            "s8_an_abrupt_end_is_a_failure",
            "s8_a_reset_is_an_abrupt_end",
            "s8_a_server_lost_at_any_byte_is_one_error_and_one_close",
        ],
    ),
    (
        "S10",
        &[
            "s10_closed_while_connecting_it_fails_and_never_opens",
            "s10_closed_while_it_waits_for_its_turn_it_fails_at_once_and_waits_no_more",
            "s10_closed_before_the_request_has_gone_out_it_says_no_more",
            "s10_closed_when_the_reply_was_there_the_peer_hears_of_it",
        ],
    ),
    ("X8", &["x8_messages_sent_before_close_go_out_before_it"]),
    (
        "X10",
        &[
            "x10_a_peer_that_does_not_answer_a_close_is_given_up",
            "x10_a_peer_that_talks_on_about_other_things_is_not_listened_to_for_ever",
            "x10_a_peer_that_takes_nothing_is_given_up_as_well",
        ],
    ),
    ("N8", &["n8_buffered_amount_goes_down_while_events_are_waited_for"]),
    ("N9", &["n9_buffered_amount_stays_when_the_connection_is_over"]),
    ("M5", &["m5_a_peer_that_breaks_the_rules_is_told_why_before_the_transport_ends"]),
    ("E4", &["e4_handlers_run_inside_of_run_and_what_they_send_goes_out"]),
    (
        "E5",
        &[
            "e5_dropped_while_open_it_sends_an_empty_close_and_ends_the_stream",
            "e5_going_away_closes_with_1001",
            "e5_dropped_in_an_event_loop_it_does_the_same_to_a_real_server",
            "e5_dropped_while_closing_it_adds_nothing",
        ],
    ),
    (
        "T1",
        &[
            "t1_dropped_while_connecting_it_stops_at_once",
            "t1_a_dropped_wait_for_opened_has_no_effect",
            "t1_nothing_can_be_aborted_outside_of_a_runtime_but_all_can_be_dropped",
        ],
    ),
    ("T2", &["t2_a_failure_to_connect_fails_both", "t2_close_during_the_handshake_fails_both"]),
    ("T3", &["t3_close_sends_the_code_and_reason_or_neither"]),
    (
        "T4",
        &[
            "t4_closing_the_writable_waits_for_the_whole_closing_handshake",
            "t4_closing_the_writable_fails_with_the_connection",
        ],
    ),
    (
        "T5",
        &[
            "t5_abort_and_cancel_send_their_code_and_reason",
            "t5_dropping_both_halves_is_an_empty_close",
        ],
    ),
    (
        "T6",
        &[
            "t6_a_clean_end_gives_the_peers_code_and_ends_both_halves",
            "t6_an_unclean_end_fails_all_three_with_the_same_error",
            "t6_a_silent_peer_is_an_unclean_end",
        ],
    ),
    (
        "T7",
        &[
            "t7_data_unwritten_when_the_peer_closes_fails_closed_with_the_peers_code",
            "t7_data_written_while_the_peer_closes_is_no_failure",
        ],
    ),
    (
        "T8",
        &[
            "t8_nothing_is_read_unless_somebody_reads",
            "t8_a_message_that_came_with_the_reply_waits_for_its_reader",
            "t8_a_peer_that_nobody_listens_to_is_not_held_to_its_deadlines",
            "t8_a_write_resolves_when_the_network_has_taken_the_message_and_not_before",
            "t8_a_write_waits_for_streams_with_buffers_of_their_own",
            "t8_a_sink_is_ready_while_there_is_room",
        ],
    ),
];

/// What only a browser, or the Web Platform Tests, can show.
const ELSEWHERE: &[(&str, &str)] = &[
    ("C14", "mixed-content.https: a page over TLS, in browsers"),
    ("C15", "the options bag is not in the standard yet"),
    ("H5", "cookies/*: a browser's own jar"),
    ("H12", "security/*: the same in browsers, over TLS"),
    ("N4", "Send-binary-*: Blob, ArrayBuffer and views are a binding's"),
    ("N6", "Send-null: conversion to strings is a binding's"),
    ("X1", "close-invalid: the clamp to 16 bits is a binding's"),
    ("E1", "idlharness: neither bubbling nor cancelable"),
    ("E5", "unload-a-document/*: a page that goes away"),
];

/// Statements of the documents about the object, and the tests that hold them
/// or what the standard has made of them.
const STATEMENTS: &[(&str, &[&str])] = &[
    (
        "an object to create and manage a connection, to send and to receive",
        &["six_attributes_two_methods_and_four_events"],
    ),
    ("new WebSocket(url), new WebSocket(url, protocols)", &["both_forms_of_the_constructor"]),
    (
        "a required url and an optional string or array of strings",
        &["c6_protocols_are_none_or_one_or_a_list", "both_forms_of_the_constructor"],
    ),
    (
        "sub-protocols: one server, several kinds of interaction; the server takes one",
        &["c6_protocols_are_none_or_one_or_a_list", "h9_a_protocol_that_was_not_asked_for_fails"],
    ),
    (
        "no protocol: the empty string (today: an empty list, and no header)",
        &["h3_protocols_are_in_one_header", "c10_attributes_right_after_construction"],
    ),
    (
        "SECURITY_ERR for a blocked port (today: a failed connection)",
        &[
            "c13_a_bad_port_can_be_an_exception",
            "c13_a_bad_port_fails_the_connection_and_nobody_is_asked",
        ],
    ),
    ("close(code, reason) and send(data)", &["six_attributes_two_methods_and_four_events"]),
    ("binaryType is \"blob\" or \"arraybuffer\"", &["m2_binary_type_is_one_of_two_words"]),
    (
        "bufferedAmount: queued and not sent yet; 0 when all is sent",
        &["n8_partial_writes_are_counted_to_the_byte", "n8_in_one_task_it_only_grows"],
    ),
    (
        "bufferedAmount is not reset by closing, and keeps growing",
        &[
            "n9_closing_sets_nothing_back",
            "n2_what_is_sent_when_it_is_too_late_is_dropped_and_counts_for_ever",
        ],
    ),
    (
        "bufferedAmount is read-only (unsigned long then, 64 bits today)",
        &["n11_it_is_a_number_of_64_bits_that_cannot_be_set"],
    ),
    (
        "extensions: empty, or the list that was negotiated",
        &[
            "s3_extensions_are_empty_if_there_are_none",
            "h10_an_extension_that_was_not_offered_or_a_bad_parameter_fails",
        ],
    ),
    (
        "close fires when the state becomes CLOSED, with a CloseEvent",
        &[
            "s6_it_is_closed_before_the_events_and_nothing_comes_after",
            "e1_there_are_four_events_with_these_names",
        ],
    ),
    ("error is a simple event", &["e1_there_are_four_events_with_these_names"]),
    (
        "message is a MessageEvent with the data",
        &[
            "e1_typed_handlers_get_what_their_event_has",
            "m1_binary_type_is_looked_at_when_the_event_fires",
        ],
    ),
    (
        "open fires when the state becomes OPEN: ready to send and receive",
        &["s3_when_it_is_open_everything_can_be_read_before_the_event"],
    ),
    (
        "protocol: the one that the server selected, of those given",
        &["h9_a_protocol_that_was_not_asked_for_fails", "both_forms_of_the_constructor"],
    ),
    ("readyState is one of CONNECTING 0, OPEN 1, CLOSING 2, CLOSED 3", &["s1_states_are_numbers"]),
    (
        "url: as resolved by the constructor, always absolute",
        &["c2_relative_urls_need_a_base", "c11_the_url_is_what_the_parser_writes"],
    ),
    (
        "close() closes the connection or the attempt; CLOSED already, it does nothing",
        &[
            "x4_closing_twice_is_closing_once",
            "x5_closing_while_connecting_is_closing_at_once_and_a_failure_later",
        ],
    ),
    (
        "the code is 1000 if it is left out (today: an empty Close, 1005)",
        &["x6_without_code_and_reason_the_frame_is_empty"],
    ),
    ("the reason: 123 bytes of UTF-8, not characters", &["x2_the_reason_has_123_bytes_at_most"]),
    ("INVALID_ACCESS_ERR: a bad code", &["x1_the_code_is_1000_or_from_3000_to_4999"]),
    (
        "SYNTAX_ERR: too long, or unpaired surrogates (today: replaced)",
        &[
            "x2_the_reason_has_123_bytes_at_most",
            "x12_lone_surrogates_of_a_reason_are_replaced_and_then_measured",
        ],
    ),
    (
        "send takes strings, ArrayBuffers and Blobs",
        &["n3_a_string_is_text_in_utf8", "n4_bytes_are_binary_and_a_part_is_a_part"],
    ),
    (
        "INVALID_STATE_ERR when it is not open (today: only while connecting)",
        &[
            "n1_nothing_can_be_sent_while_connecting",
            "n2_what_is_sent_when_it_is_too_late_is_dropped_and_counts_for_ever",
            "try_send_says_whether_it_is_sent",
        ],
    ),
    ("SYNTAX_ERR for unpaired surrogates (today: replaced)", &["n3_a_string_is_text_in_utf8"]),
    ("send returns nothing, not a boolean", &["n6_n7_sending_gives_nothing"]),
    ("exceptions by their names", &["errors_have_the_names_and_codes_of_exceptions"]),
    ("usable from windows and workers", &["it_can_be_sent_to_a_worker"]),
    (
        "creating the object opens the connection by itself; CONNECTING, later OPEN",
        &[
            "c10_attributes_right_after_construction",
            "c12_nothing_happens_before_the_callers_loop_turns",
        ],
    ),
    (
        "on a connection error: error, then close (today: code 1006, and no cause)",
        &["h12_every_cause_gives_the_same_events_and_a_diagnostic_of_its_own"],
    ),
    (
        "the cause is for a console, and a code of RFC 6455, 7.4 for the wire",
        &[
            "h12_every_cause_gives_the_same_events_and_a_diagnostic_of_its_own",
            "m5_text_that_is_not_utf8_fails_with_1007",
            "m8_one_byte_more_fails_with_1009",
            "x11_a_close_frame_that_is_none_fails",
        ],
    ),
    (
        "ws stands for http, wss for https; made by an HTTP Upgrade",
        &["c3_http_becomes_ws_and_https_wss", "h1_the_request_is_this_to_the_byte"],
    ),
    (
        "sending is not possible right after construction: use onopen",
        &[
            "n1_nothing_can_be_sent_while_connecting",
            "s3_when_it_is_open_everything_can_be_read_before_the_event",
        ],
    ),
    ("received text is UTF-8", &["m5_text_that_is_not_utf8_fails_with_1007"]),
    ("noncharacters close nothing any more", &["m6_noncharacters_are_characters"]),
    (
        "look at bufferedAmount before closing (needless: what was sent goes first)",
        &["x8_what_was_sent_before_goes_out_before"],
    ),
    (
        "no insecure socket from a secure page",
        &[
            "c14_a_page_that_came_over_tls_uses_no_ws",
            "c14_a_relative_url_on_a_page_over_tls_is_wss",
        ],
    ),
    (
        "bidirectional, and not request and response: the server speaks first",
        &["early_frames_behind_the_reply_are_not_lost", "n8_other_ends_of_the_wire_do_not_count"],
    ),
    ("properties, methods and events by name", &["six_attributes_two_methods_and_four_events"]),
    (
        "event-driven, without polling",
        &["e2_handlers_and_listeners_are_called_in_the_order_they_were_set"],
    ),
    (
        "three interfaces: WebSocket, CloseEvent, MessageEvent",
        &[
            "six_attributes_two_methods_and_four_events",
            "e3_a_close_event_has_defaults",
            "m3_the_origin_is_that_of_the_url",
        ],
    ),
    (
        "protocol versions: 13 alone",
        &[
            "h2_the_headers_of_the_handshake_are_there_once",
            "s4_4_another_version_is_answered_426_and_told_ours",
        ],
    ),
    ("at most 200 connections at once", &["the_limit_of_connections_is_one_for_all_that_share_it"]),
    ("deflate-stream is disabled", &["h10_deflate_stream_is_neither_offered_nor_accepted"]),
    (
        "messages longer than 16 MiB",
        &[
            "m8_messages_of_16_and_of_64_mib_are_taken",
            "m8_a_length_that_is_announced_allocates_nothing",
        ],
    ),
    (
        "the flaw of the early protocols: masks and the key's proof",
        &[
            "h7_upgrade_connection_and_accept_are_verified",
            "s5_1_client_fails_on_masked_frames_of_every_kind_and_length",
            "s5_1_server_fails_on_unmasked_frames_of_every_kind_and_length",
        ],
    ),
];

/// The names of all tests, by the files they are in.
fn tests() -> BTreeMap<String, BTreeSet<String>> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in fs::read_dir(tests).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        for part in fs::read_to_string(path).unwrap().split("#[test]\nfn ").skip(1) {
            let name = part.split_once("() {").expect("a test has no arguments").0;
            names.entry(file.clone()).or_default().insert(name.to_owned());
        }
    }
    names
}

/// The rules that a test is named after: `n6_n7_...` is two.
fn rules_of(test: &str) -> Vec<String> {
    let is_rule = |word: &&str| {
        let (letter, number) = word.split_at_checked(1).unwrap_or_default();
        "chsxnmet".contains(letter) && number.parse::<u8>().is_ok()
    };
    test.split('_').take_while(is_rule).map(str::to_uppercase).collect()
}

#[test]
fn every_web_rule_has_a_test() {
    let ids = RULES.iter().map(|(id, ..)| id.to_string());
    let all = SECTIONS
        .iter()
        .flat_map(|(section, count)| (1..=*count).map(move |number| format!("{section}{number}")));
    assert!(ids.eq(all), "each rule once, in order");

    let tests: BTreeSet<String> = tests().into_values().flatten().collect();
    for (id, rule, named) in RULES {
        let elsewhere = CARRIERS.iter().any(|(other, _)| other == id);
        assert!(!named.is_empty() || elsewhere, "{id}, {rule}");
        for test in *named {
            assert!(tests.contains(*test), "{id}, {rule}: no test {test}");
            assert!(rules_of(test).iter().any(|of| of == id), "{test} is not about {id}");
        }
    }
    for (statement, named) in STATEMENTS {
        assert!(!named.is_empty(), "{statement}");
        for test in *named {
            assert!(tests.contains(*test), "{statement}: no test {test}");
        }
    }
}

#[test]
fn every_test_of_a_web_rule_is_in_the_table() {
    for (file, tests) in tests() {
        if !file.starts_with("web_") {
            continue;
        }
        for test in tests {
            for id in rules_of(&test) {
                let here = RULES.iter().any(|(of, _, named)| *of == id && named.contains(&&*test));
                let there = CARRIERS.iter().any(|(of, named)| *of == id && named.contains(&&*test));
                assert!(here || there, "{file}: {test} is not in the tables for {id}");
            }
        }
    }
}

#[test]
fn what_is_shown_elsewhere_are_rules_too() {
    let known = |id: &str| {
        RULES.iter().any(|(of, ..)| *of == id)
            || id
                .strip_prefix('T')
                .is_some_and(|number| (1..=8).contains(&number.parse().unwrap_or(0)))
    };
    let tests: BTreeSet<String> = tests().into_values().flatten().collect();
    for (id, named) in CARRIERS {
        assert!(known(id) && !named.is_empty(), "{id}");
        for test in *named {
            assert!(tests.contains(*test), "{id}: no test {test}");
            assert!(rules_of(test).iter().any(|of| of == id), "{test} is not about {id}");
        }
    }
    for number in 1..=8 {
        let id = format!("T{number}");
        assert!(CARRIERS.iter().any(|(of, _)| *of == id), "{id}");
    }
    for (id, place) in ELSEWHERE {
        assert!(known(id) && !place.is_empty(), "{id}");
    }
}
