//! The rules that engines get wrong, and the tests that hold them: each rule
//! must name tests that exist.

mod sources;

use std::fs;
use std::path::Path;

use sources::{tests_in, text_of};

/// Number, rule in short, and tests. A test stands for itself in every cut of
/// its bytes: that is how `tests/common` runs them.
const RULES: &[(u32, &str, &[&str])] = &[
    // Opening handshake, client.
    (
        1,
        "GET, resource name never empty, no fragment",
        &[
            "s3_the_resource_name_is_never_empty_and_keeps_its_query",
            "s3_a_fragment_or_anything_else_that_is_no_target_is_refused",
        ],
    ),
    (
        2,
        "Host carries a port only if it is not the scheme's",
        &["s4_1_host_carries_the_port_only_if_it_is_not_the_schemes"],
    ),
    (3, "the key is 16 random bytes", &["s4_1_the_key_is_16_fresh_bytes_in_base64"]),
    (
        4,
        "mandatory headers, each once",
        &[
            "s4_1_the_request_has_every_mandatory_header_once",
            "s4_1_mandatory_headers_cannot_be_lost_or_overridden",
        ],
    ),
    (
        5,
        "subprotocols are unique tokens",
        &["s4_1_subprotocols_are_unique_tokens_in_order_of_preference"],
    ),
    (
        6,
        "anything but 101 is HTTP",
        &[
            "s4_1_anything_but_101_is_http_and_its_body_can_be_read",
            "s4_1_headers_of_a_refusal_can_be_read",
            "s4_1_the_body_of_a_refusal_is_bounded",
        ],
    ),
    (
        7,
        "Upgrade and Connection are lists in any case",
        &["s4_1_upgrade_and_connection_are_lists_without_regard_to_case"],
    ),
    (8, "the accept value to the byte", &["s4_1_the_accept_value_is_compared_to_the_byte"]),
    (9, "an extension not offered fails", &["s4_1_an_extension_that_was_not_offered_fails"]),
    (
        10,
        "a subprotocol not offered fails, a missing one is legal",
        &["s4_1_a_subprotocol_must_be_one_of_those_offered_and_may_be_missing"],
    ),
    (
        11,
        "HTTP/1.1; interim replies are skipped",
        &["s4_1_a_reply_is_http_1_1", "rfc9110_s15_2_interim_replies_are_skipped"],
    ),
    (
        12,
        "bytes behind the 101 are frames",
        &["s4_1_bytes_behind_the_101_are_frames", "rule_12_bytes_behind_the_101_are_frames"],
    ),
    (
        13,
        "one connection in CONNECTING per host and port",
        &[
            "rule_13_a_second_connection_waits_for_the_first_handshake_to_end_either_way",
            "rule_13_no_two_handshakes_are_ever_under_way",
        ],
    ),
    (14, "a 101 has no body", &["rfc9110_s15_2_2_body_headers_of_a_101_mean_nothing"]),
    (15, "a body is never taken for frames", &["s4_1_a_body_is_never_taken_for_frames"]),
    // Opening handshake, server.
    (
        16,
        "GET, HTTP/1.1, Host exactly once",
        &[
            "s4_2_1_methods_other_than_get_are_answered_405_with_allow",
            "s4_2_1_http_1_0_is_answered_400_and_other_major_versions_505",
            "rfc9112_s3_2_host_is_required_exactly_once",
        ],
    ),
    (17, "one key of 16 bytes", &["s4_2_1_the_key_is_16_bytes_in_base64_exactly_once"]),
    (18, "another version: 426 and ours", &["s4_4_another_version_is_answered_426_and_told_ours"]),
    (19, "the version is one value", &["s4_4_the_version_of_a_request_is_one_value"]),
    (
        20,
        "Connection is a list over lines",
        &["s4_2_1_connection_is_a_list_over_lines_and_not_a_substring"],
    ),
    (21, "Upgrade may list several", &["s4_2_1_upgrade_is_a_list_in_any_case_and_position"]),
    (
        22,
        "lines of subprotocols are one list; the reply has one",
        &[
            "s11_3_4_several_lines_of_subprotocols_are_one_list",
            "s4_2_2_the_reply_names_only_a_subprotocol_that_was_offered",
        ],
    ),
    (
        23,
        "lines of extensions are one list; quoted values are tokens",
        &[
            "s9_1_extensions_over_lines_are_one_list_in_order_with_their_parameters",
            "s9_1_extensions_against_the_grammar_are_refused",
        ],
    ),
    (
        24,
        "the reply names nothing that was not offered",
        &["s4_2_2_the_reply_names_only_a_subprotocol_that_was_offered"],
    ),
    (
        25,
        "origin: 403, absence is no browser",
        &["s10_2_origins_are_matched_exactly_and_their_absence_is_no_browser"],
    ),
    (
        26,
        "folding, space before colon, bare CR and LF",
        &[
            "rfc9112_s5_lines_that_others_read_differently_are_refused",
            "rfc9112_s2_2_a_request_with_bare_line_feeds_is_refused",
        ],
    ),
    (
        27,
        "absolute form is legal, others are not",
        &[
            "rfc9112_s3_2_2_targets_in_origin_and_absolute_form_are_legal",
            "rfc9112_s3_2_other_forms_of_targets_are_refused",
        ],
    ),
    (
        28,
        "414, 431, 405, 505, 400",
        &[
            "rfc9112_s3_a_target_over_the_limit_is_answered_414",
            "rfc6585_s5_a_head_over_the_limit_is_answered_431",
            "rfc6585_s5_too_many_headers_are_answered_431",
            "s4_2_1_http_1_0_is_answered_400_and_other_major_versions_505",
        ],
    ),
    (29, "a body is refused", &["rfc9112_s6_a_body_is_refused"]),
    (
        30,
        "early bytes are kept",
        &[
            "s4_1_bytes_behind_the_head_stay_the_callers",
            "rule_30_early_frames_behind_the_request_are_kept",
        ],
    ),
    (31, "linear in the bytes", &["s4_2_a_request_is_scanned_in_time_linear_in_its_bytes"]),
    // Framing.
    (32, "RSV bits", &["s5_2_rsv_bits_without_an_extension_fail"]),
    (33, "shortest length", &["s5_2_a_length_not_in_its_shortest_form_fails"]),
    (34, "top bit: 1002", &["s5_2_the_top_bit_of_a_length_fails_as_protocol_error_not_as_too_big"]),
    (35, "compared before narrowed", &["s5_2_lengths_are_compared_before_they_are_narrowed"]),
    (
        36,
        "masked by clients, not by servers",
        &[
            "s5_1_server_fails_on_unmasked_frames_of_every_kind_and_length",
            "s5_1_client_fails_on_masked_frames_of_every_kind_and_length",
        ],
    ),
    (
        37,
        "a fresh key for each frame; the phase continues",
        &[
            "s5_3_every_frame_of_a_client_has_a_fresh_unpredictable_key",
            "s5_3_masking_is_its_definition_at_any_phase_and_any_cut",
            "s5_3_a_frame_that_found_no_room_is_sent_with_a_new_key",
        ],
    ),
    (
        38,
        "the payload is fixed before the key is seen",
        &["s5_3_the_caller_cannot_see_a_key_before_the_payload_is_fixed"],
    ),
    (
        39,
        "control frames: 125 bytes and FIN, from the header",
        &[
            "s5_5_a_control_frame_of_125_bytes_passes_and_of_126_fails",
            "s5_5_a_fragmented_control_frame_fails_at_its_first_byte",
        ],
    ),
    (
        40,
        "control frames between fragments are answered then",
        &[
            "s5_4_control_frames_between_fragments_are_answered_at_once",
            "s5_4_the_pong_is_out_before_the_message_ends",
        ],
    ),
    (41, "reserved opcodes", &["s5_2_reserved_opcodes_fail"]),
    (
        42,
        "continuation without start, start inside a message",
        &[
            "s5_4_continuation_without_a_start_fails",
            "s5_4_a_new_message_inside_another_fails_and_overwrites_nothing",
        ],
    ),
    (43, "empty fragments", &["s5_4_empty_fragments_are_legal_wherever_they_stand"]),
    (44, "fragment borders carry no meaning", &["s5_4_fragment_borders_carry_no_meaning"]),
    (
        45,
        "limits: announced length first",
        &[
            "s10_4_the_frame_limit_is_inclusive_and_refuses_at_the_header",
            "s10_4_the_message_limit_counts_all_fragments_and_refuses_at_the_header",
            "s10_4_the_fragment_limit_is_inclusive",
            "s10_4_65536_fragments_pass_and_millions_of_empty_ones_do_not",
        ],
    ),
    (46, "announced lengths allocate nothing", &["memory_is_what_the_documentation_says"]),
    (47, "2^63-1 bytes stream through", &["s5_2_a_frame_of_2_63_minus_1_bytes_streams_through"]),
    // UTF-8.
    (
        48,
        "over fragments and reads",
        &[
            "s8_1_text_is_validated_across_fragments",
            "s8_1_every_valid_character_passes_in_any_cut",
        ],
    ),
    (49, "end inside a character", &["s8_1_a_message_that_ends_inside_a_character_fails"]),
    (50, "overlong, surrogates, above F4 8F", &["s8_1_invalid_text_fails_wherever_it_stands"]),
    (
        51,
        "at the first byte that cannot continue",
        &["s8_1_text_fails_at_the_first_byte_that_cannot_continue"],
    ),
    (
        52,
        "close reasons: UTF-8, cut at 123 bytes",
        &[
            "s5_5_1_a_close_reason_is_utf8",
            "s5_5_1_a_reason_is_cut_between_characters_at_123_bytes",
        ],
    ),
    (53, "after unmasking", &["s8_1_validation_comes_after_unmasking"]),
    (54, "a BOM is text", &["s8_1_a_byte_order_mark_is_part_of_the_text"]),
    // Control frames.
    (
        55,
        "the Pong carries the Ping's payload",
        &[
            "s5_5_2_pong_carries_the_payload_of_the_ping_exactly",
            "s5_5_2_every_ping_is_answered_in_order",
        ],
    ),
    (
        56,
        "unsolicited Pongs",
        &[
            "s5_5_3_an_unsolicited_pong_gets_no_answer",
            "s5_5_3_an_unsolicited_pong_does_not_answer_a_ping",
        ],
    ),
    (
        57,
        "no Pong after a Close",
        &["s5_5_2_no_pong_after_a_close_was_received", "s5_5_2_no_pong_after_a_close_was_sent"],
    ),
    (
        58,
        "Pongs at frame borders",
        &[
            "s5_4_a_pong_goes_between_fragments_and_never_inside_a_frame",
            "rule_58_split_answers_pings_at_the_next_border_while_the_writer_is_stuck",
        ],
    ),
    (
        59,
        "a flood of Pings is bounded",
        &[
            "s5_5_2_a_flood_of_pings_makes_the_engine_owe_no_more_than_it_was_given",
            "rule_59_pings_of_a_peer_that_never_reads_are_not_hoarded",
        ],
    ),
    // Closing.
    (
        60,
        "one byte: 1002; none: 1005",
        &[
            "s5_5_1_a_close_payload_of_one_byte_fails",
            "s7_1_5_a_close_without_a_body_reports_1005_and_is_answered_alike",
        ],
    ),
    (61, "codes that are never on the wire", &["s7_4_codes_that_may_not_be_on_the_wire_fail"]),
    (62, "1012-1014, 3000-4999 are valid", &["s7_4_2_every_code_is_judged_as_the_registry_says"]),
    (
        63,
        "a Close is answered, once",
        &[
            "s5_5_1_close_is_answered_with_its_code_and_reason",
            "s7_1_2_both_may_close_at_the_same_time_and_neither_answers",
        ],
    ),
    (
        64,
        "nothing sent after, nothing delivered after",
        &["s5_5_1_nothing_is_sent_after_a_close", "s5_5_1_nothing_is_delivered_after_a_close"],
    ),
    (65, "both at the same time", &["s7_1_2_both_may_close_at_the_same_time_and_neither_answers"]),
    (
        66,
        "the first Close counts; 1005 or 1006 otherwise",
        &[
            "s7_1_5_the_first_close_counts",
            "s7_1_5_an_end_without_an_answer_to_our_close_is_not_clean",
        ],
    ),
    (
        67,
        "the server closes TCP first; half-close and drain",
        &[
            "s7_1_1_the_server_closes_the_transport_first_and_the_client_waits",
            "s7_1_1_a_client_waits_for_the_server_to_close_the_transport_but_not_for_ever",
            "rule_67_no_reset_eats_the_close_of_a_failing_connection",
            "s7_1_1_server_closes_the_transport_first",
        ],
    ),
    (
        68,
        "fail: Close with the code, then stop",
        &["s7_1_7_a_failed_connection_sends_its_code_once_and_stops"],
    ),
    (
        69,
        "during the handshake: HTTP, or just the end",
        &[
            "s4_2_1_every_fault_has_an_answer_that_is_http",
            "s7_1_7_the_end_of_the_stream_before_a_reply_is_an_error",
        ],
    ),
    (
        70,
        "each code for its fault, 1010 from either side",
        &["s7_4_1_each_violation_has_its_code", "s7_1_2_either_side_may_send_any_allowed_code"],
    ),
    (
        71,
        "reconnecting waits at random, then longer and longer",
        &["rule_71_delays_grow_and_are_truncated", "rule_71_a_lost_connection_is_opened_again"],
    ),
    (
        72,
        "an end inside a frame and one after it",
        &["s7_1_5_an_end_inside_a_frame_differs_from_one_after_it_and_neither_is_clean"],
    ),
    (
        73,
        "a Close voids a message in progress",
        &["s5_4_a_message_that_a_close_cuts_short_is_void"],
    ),
    (74, "forbidden codes are refused locally", &["s7_4_codes_that_may_not_be_sent_are_refused"]),
    // permessage-deflate.
    (
        75,
        "RSV1 on the first frame of a compressed message only",
        &[
            "s6_1_the_bit_is_set_on_the_first_frame_only",
            "s6_the_bit_is_for_the_first_frame_of_a_message",
            "s6_the_bit_means_nothing_unless_it_was_agreed_on",
        ],
    ),
    (
        76,
        "00 00 ff ff is removed, and appended, at the end of a message only",
        &["s7_2_1_the_tail_is_stripped_at_the_end_only", "s7_2_2_what_is_appended_is_no_data"],
    ),
    (
        77,
        "an empty message is one octet",
        &["s7_2_3_6_an_empty_message_is_one_octet", "s7_2_3_6_an_empty_message_has_an_empty_block"],
    ),
    (78, "blocks with BFINAL", &["s7_2_3_4_final_blocks_are_not_the_end"]),
    (
        79,
        "stored blocks, and several blocks",
        &["s7_2_3_3_stored_blocks_of_any_length", "s7_2_3_5_blocks_of_all_kinds_follow_each_other"],
    ),
    (
        80,
        "no context takeover empties the window before each message",
        &[
            "s7_1_1_without_context_takeover_each_stands_for_itself",
            "s7_1_1_without_context_takeover_there_is_nothing_to_refer_to",
        ],
    ),
    (
        81,
        "no_context_takeover unasked, and confirmed",
        &[
            "s7_1_a_client_takes_every_legal_reply_to_its_offer_and_no_other",
            "s7_1_a_server_answers_every_offer_legally_within_its_limits_or_declines",
        ],
    ),
    (
        82,
        "window bits are 8 to 15, in decimal, also quoted",
        &[
            "s7_1_2_a_window_is_a_decimal_from_8_to_15_without_leading_zeros",
            "s5_2_values_may_be_quoted_and_spaced",
        ],
    ),
    (
        83,
        "window bits in offers and in replies",
        &[
            "s7_1_a_client_takes_every_legal_reply_to_its_offer_and_no_other",
            "s7_1_a_server_answers_every_offer_legally_within_its_limits_or_declines",
        ],
    ),
    (
        84,
        "unknown and double parameters decline an element",
        &[
            "s7_1_unknown_parameters_are_invalid",
            "s7_1_parameters_that_come_twice_are_invalid",
            "s5_1_a_fallback_is_taken_if_the_first_offer_cannot_be_met",
        ],
    ),
    (
        85,
        "a window of 8: not compressed with, but inflated",
        &[
            "s7_1_2_with_the_smallest_window_all_goes_plain",
            "s7_2_messages_are_carried_both_ways_as_agreed",
        ],
    ),
    (
        86,
        "plain messages enter no window",
        &["s7_2_1_plain_messages_enter_no_window", "s6_plain_messages_enter_no_window"],
    ),
    (
        87,
        "limits count what is inflated, while inflating",
        &[
            "s8_the_limit_is_for_what_is_inflated",
            "s8_a_bomb_is_defused",
            "s8_a_bomb_of_256_mib_costs_no_more_than_the_limit_of_16",
        ],
    ),
    (
        88,
        "corrupt data fails, and never panics",
        &[
            "s7_2_2_what_is_not_deflate_fails_wherever_it_stands",
            "s7_2_2_a_message_that_was_cut_is_not_one",
        ],
    ),
    (
        89,
        "control frames are not compressed; fragments share one stream",
        &[
            "s6_1_control_frames_stand_between_fragments_and_are_not_compressed",
            "s6_1_fragments_share_one_stream_wherever_they_are_cut",
        ],
    ),
    (
        90,
        "UTF-8 is checked in what is inflated",
        &["s6_2_text_is_judged_when_it_is_inflated", "s8_1_text_that_is_none_fails_at_once"],
    ),
    (
        91,
        "compression can be switched off for a message",
        &["a_choice_is_for_the_next_message_only"],
    ),
    // HTTP/2 and HTTP/3.
    (
        92,
        "extended CONNECT only once the setting is 1, which never goes back",
        &[
            "rule_92_s3_nothing_is_asked_before_the_setting_is_1",
            "rule_92_s3_the_setting_is_0_or_1_and_never_goes_back_to_0",
            "rule_92_s3_nothing_is_asked_of_a_server_that_has_not_enabled_it",
        ],
    ),
    (
        93,
        ":protocol, :scheme, :path and :authority; no Upgrade, Connection, Host, key or accept",
        &[
            "rule_93_s4_every_pseudo_header_is_there_once_and_before_the_rest",
            "rule_93_s5_connection_specific_fields_are_malformed",
            "rule_93_s5_keys_and_proofs_are_not_processed",
            "rule_93_s5_neither_connection_nor_upgrade_nor_host_nor_a_key_is_sent",
            "rule_93_s5_the_request_is_an_extended_connect_and_has_no_upgrade_in_it",
        ],
    ),
    (
        94,
        "a 2xx accepts, and not 101; version, protocol and extensions as ever",
        &[
            "rule_94_s5_success_is_a_200_without_proof_and_not_a_101",
            "rule_94_s5_any_2xx_opens_the_connection_and_needs_no_proof",
            "rule_94_s5_the_version_is_13_or_ours_is_told",
            "rule_94_s5_what_was_not_offered_fails",
        ],
    ),
    (
        95,
        "masks and frames as ever; borders of DATA frames mean nothing",
        &[
            "rule_95_s5_masking_stays_in_force",
            "rule_95_s5_borders_of_data_frames_mean_nothing",
            "rule_95_s5_however_data_frames_are_cut_the_answers_are_the_same",
        ],
    ),
    (
        96,
        "END_STREAM is FIN; CANCEL and H3_REQUEST_CANCELLED are RST",
        &[
            "rule_96_s5_the_end_of_the_stream_is_that_of_tcp",
            "rule_96_s5_end_stream_is_the_end_of_the_transport",
            "rule_96_s5_a_reset_is_that_of_tcp_and_of_one_stream_only",
            "rule_96_s5_who_does_not_end_its_direction_is_reset_with_cancel",
        ],
    ),
    (
        97,
        "setting 0x08; an unknown :protocol gets 501",
        &["rule_97_rfc9220_s3_the_setting_is_0x08_and_an_unknown_protocol_gets_501"],
    ),
    (
        98,
        "no CONNECT in 0-RTT data",
        &[
            "rule_98_rfc8470_s4_a_connect_is_not_for_early_data",
            "rule_98_rfc8470_s5_1_a_request_in_early_data_is_told_to_come_later",
            "rule_98_nothing_is_sent_before_the_reply",
        ],
    ),
];

#[test]
fn every_wire_rule_has_a_test() {
    let numbers: Vec<u32> = RULES.iter().map(|(number, ..)| *number).collect();
    assert!(numbers.into_iter().eq(1..=98));

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let files = names.filter_map(|name| Some(format!("tests/{}", name.to_str()?)));
    let files = files.filter(|file| file.ends_with(".rs"));
    let code: String = files.filter_map(|file| text_of(&file)).collect();
    let found = tests_in(&code);
    for (number, rule, tests) in RULES {
        assert!(!tests.is_empty(), "rule {number}, {rule}");
        for test in *tests {
            assert!(found.contains(test), "rule {number}, {rule}: no test {test}");
        }
    }
}
