/* Prints what a C program sees of the header's types, for tests/header.rs. */
#include <stdio.h>

#include <sockeye.h>

#define SIZE(type) printf(#type " %zu %zu\n", sizeof(type), sizeof(type[2]) - sizeof(type))
#define FIELD(type, field) printf(#type "." #field " %zu %zu\n", offsetof(type, field), sizeof(((type *)0)->field))

int main(void)
{
    SIZE(sockeye_bytes);
    FIELD(sockeye_bytes, data);
    FIELD(sockeye_bytes, len);
    SIZE(sockeye_input);
    FIELD(sockeye_input, data);
    FIELD(sockeye_input, len);
    FIELD(sockeye_input, scratch);
    FIELD(sockeye_input, scratch_len);
    SIZE(sockeye_output);
    FIELD(sockeye_output, data);
    FIELD(sockeye_output, capacity);
    FIELD(sockeye_output, len);
    FIELD(sockeye_output, needed);
    SIZE(sockeye_event);
    FIELD(sockeye_event, type);
    FIELD(sockeye_event, is_first);
    FIELD(sockeye_event, is_last);
    FIELD(sockeye_event, close_code);
    FIELD(sockeye_event, error);
    FIELD(sockeye_event, reserved);
    FIELD(sockeye_event, data);
    FIELD(sockeye_event, remaining);
    SIZE(sockeye_closed);
    FIELD(sockeye_closed, cause);
    FIELD(sockeye_closed, error);
    FIELD(sockeye_closed, code);
    FIELD(sockeye_closed, sent_code);
    FIELD(sockeye_closed, is_clean);
    FIELD(sockeye_closed, is_by_peer);
    FIELD(sockeye_closed, has_sent);
    FIELD(sockeye_closed, has_received);
    FIELD(sockeye_closed, reason);
    FIELD(sockeye_closed, reason_len);
    SIZE(sockeye_header);
    FIELD(sockeye_header, name);
    FIELD(sockeye_header, value);
    SIZE(sockeye_request);
    FIELD(sockeye_request, head);
    FIELD(sockeye_request, path);
    FIELD(sockeye_request, query);
    FIELD(sockeye_request, host);
    FIELD(sockeye_request, origin);
    FIELD(sockeye_request, headers);
    SIZE(sockeye_reply);
    FIELD(sockeye_reply, status);
    FIELD(sockeye_reply, is_accepted);
    FIELD(sockeye_reply, is_complete);
    FIELD(sockeye_reply, head_len);
    FIELD(sockeye_reply, headers);
    FIELD(sockeye_reply, subprotocol);
    FIELD(sockeye_reply, body);
    SIZE(sockeye_config);
    FIELD(sockeye_config, size);
    FIELD(sockeye_config, max_head_len);
    FIELD(sockeye_config, max_headers);
    FIELD(sockeye_config, max_target_len);
    FIELD(sockeye_config, max_refusal_len);
    FIELD(sockeye_config, deflate_min_len);
    FIELD(sockeye_config, max_message_len);
    FIELD(sockeye_config, max_frame_len);
    FIELD(sockeye_config, handshake_timeout_ns);
    FIELD(sockeye_config, ping_interval_ns);
    FIELD(sockeye_config, pong_timeout_ns);
    FIELD(sockeye_config, idle_timeout_ns);
    FIELD(sockeye_config, close_timeout_ns);
    FIELD(sockeye_config, deflate_release_after_ns);
    FIELD(sockeye_config, max_fragments);
    FIELD(sockeye_config, deflate_max_ratio);
    FIELD(sockeye_config, auto_pong);
    FIELD(sockeye_config, deflate);
    FIELD(sockeye_config, deflate_level);
    FIELD(sockeye_config, deflate_mem_level);
    FIELD(sockeye_config, deflate_server_no_context_takeover);
    FIELD(sockeye_config, deflate_client_no_context_takeover);
    FIELD(sockeye_config, deflate_server_max_window_bits);
    FIELD(sockeye_config, deflate_client_max_window_bits);
    SIZE(sockeye_result);
    SIZE(sockeye_event_type);
    SIZE(sockeye_protocol_error);
    SIZE(sockeye_handshake_error);
    SIZE(sockeye_cause);
    printf("SOCKEYE_VERSION %s %s\n", SOCKEYE_VERSION, sockeye_version());
    printf("SOCKEYE_NEVER %llu\n", (unsigned long long)SOCKEYE_NEVER);
    return 0;
}
