/* sockeye: WebSocket (RFC 6455, RFC 7692) as a state machine without I/O. MIT license.
 *
 * Generated from the sources of the library: do not edit.
 *
 * Bytes that came from a transport go in, events come out, and bytes to be sent are
 * appended to an output. The library owns no socket, reads no clock, starts no thread and
 * keeps no payload: buffers, sockets and time are the caller's.
 *
 * A server: sockeye_server_new, sockeye_server_receive until there is a request,
 * sockeye_server_accept; a client: sockeye_client_new, sockeye_client_write_request,
 * sockeye_client_receive. Both lead to a sockeye_connection, whose loop is
 *
 *     while ((result = sockeye_connection_receive(ws, &input, &output, &event)) == SOCKEYE_OK)
 *         handle(&event);
 *
 * Rules for all functions:
 *
 * - Errors are results below 0, and leave everything as it was, unless the function says
 *   otherwise. A NULL that must not be, lengths that cannot be, calls in a wrong order,
 *   and memory that overlaps are such errors. Pointers that lead nowhere, objects that
 *   were freed, and two threads in one object at once are not found out: they are
 *   undefined behaviour.
 * - An object is used by one thread at a time, and may go from thread to thread. Settings
 *   never change, and may be used by any number of threads at once.
 * - Memory that is given is used during the call and not kept. Memory that comes back says
 *   how long it lasts.
 * - Nothing is thrown and no panic gets out: see SOCKEYE_PANICKED.
 * - Lengths are in bytes, times in nanoseconds. Text is UTF-8, and ends by its length.
 */


#ifndef SOCKEYE_H
#define SOCKEYE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The version that this header belongs to: see sockeye_version. */
#define SOCKEYE_VERSION "0.1.0"

/* A time that does not come; as the length of a deadline, that there is none. */
#define SOCKEYE_NEVER UINT64_MAX


/**
 * The least `capacity` of an output: with as much room free, whatever comes in can be
 * answered.
 */
#define SOCKEYE_OUTPUT_MIN 131

/**
 * The least `scratch_len` of an input, if compression was agreed on.
 */
#define SOCKEYE_SCRATCH_MIN 16

/**
 * Bytes of a seed.
 */
#define SOCKEYE_SEED_LEN 32

/**
 * What a call came to. Numbers keep their meaning from version to version; new ones
 * may come. Of those below zero, nothing was done and nothing has changed, unless
 * the function says otherwise.
 */
enum sockeye_result
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * It was done. A command was carried out only if this is the result.
     */
    SOCKEYE_OK = 0,
    /**
     * Not an error: more bytes have to be received first.
     */
    SOCKEYE_NEED_MORE = 1,
    /**
     * Not an error: there is none of what was asked for.
     */
    SOCKEYE_NONE = 2,
    /**
     * A pointer is NULL that must not be.
     */
    SOCKEYE_NULL_POINTER = -1,
    /**
     * Lengths that cannot be, memory that overlaps, a value out of its range.
     */
    SOCKEYE_INVALID_ARGUMENT = -2,
    /**
     * Not now: the functions of this object come in another order.
     */
    SOCKEYE_WRONG_STATE = -3,
    /**
     * A call panicked, which is a bug of the library. The object is in no state to be
     * used: free it, and drop its transport. It says so from then on.
     */
    SOCKEYE_PANICKED = -4,
    /**
     * The operating system has no random bytes to give.
     */
    SOCKEYE_NO_ENTROPY = -5,
    /**
     * Asked for what this version, or this build, cannot do.
     */
    SOCKEYE_UNSUPPORTED = -6,
    /**
     * The output has no room. Make some (see `sockeye_output`), and call again.
     */
    SOCKEYE_OUTPUT_FULL = -7,
    /**
     * The input has less scratch room than `SOCKEYE_SCRATCH_MIN`. Lend more, and call
     * again.
     */
    SOCKEYE_SCRATCH_FULL = -8,
    /**
     * A Close frame was sent, or the connection is over: nothing more can be sent
     * (RFC 6455, section 5.5.1).
     */
    SOCKEYE_CLOSED = -20,
    /**
     * More than 125 bytes for a control frame (section 5.5).
     */
    SOCKEYE_CONTROL_TOO_LONG = -21,
    /**
     * Another message is being sent in fragments: end it first (section 5.4).
     */
    SOCKEYE_FRAGMENT_IN_PROGRESS = -22,
    /**
     * A status code that may not be sent, or a reason without one (section 7.4).
     */
    SOCKEYE_INVALID_CLOSE_CODE = -23,
    /**
     * Text that is not UTF-8 (section 8.1).
     */
    SOCKEYE_INVALID_TEXT = -24,
    /**
     * The opening handshake has failed: by the peer's fault, or since it took too
     * long. Ask the object which it was.
     */
    SOCKEYE_HANDSHAKE_FAILED = -40,
    /**
     * The same subprotocol twice (section 4.1, item 10).
     */
    SOCKEYE_DUPLICATE_SUBPROTOCOL = -41,
    /**
     * A header name that is not a token (RFC 9110, section 5.6.2).
     */
    SOCKEYE_INVALID_HEADER_NAME = -42,
    /**
     * A header value with a control byte (RFC 9110, section 5.5).
     */
    SOCKEYE_INVALID_HEADER_VALUE = -43,
    /**
     * A host that cannot stand in a Host header.
     */
    SOCKEYE_INVALID_HOST = -44,
    /**
     * A status outside of 200 to 599.
     */
    SOCKEYE_INVALID_STATUS = -45,
    /**
     * A subprotocol that is not a token.
     */
    SOCKEYE_INVALID_SUBPROTOCOL = -46,
    /**
     * A target that is no path with a query: not ASCII, white space, or a fragment
     * (section 3).
     */
    SOCKEYE_INVALID_TARGET = -47,
    /**
     * A header that the handshake sets itself.
     */
    SOCKEYE_RESERVED_HEADER = -48,
    /**
     * A subprotocol that the client did not offer (section 4.2.2).
     */
    SOCKEYE_SUBPROTOCOL_NOT_OFFERED = -49,
    /**
     * A mistake that is newer than this list.
     */
    SOCKEYE_OTHER_ERROR = -99,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sockeye_result sockeye_result;
#else
typedef int32_t sockeye_result;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What is wrong with the other end's part of the opening handshake (RFC 6455,
 * section 4). Numbers keep their meaning from version to version; new ones may come.
 */
enum sockeye_handshake_error
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Nothing.
     */
    SOCKEYE_HANDSHAKE_NONE = 0,
    /**
     * A CR without LF, which some read as the end of a line and others do not (RFC 9112,
     * section 2.2).
     */
    SOCKEYE_HEAD_BARE_CARRIAGE_RETURN = 1,
    /**
     * An LF without CR. RFC 9112 (section 2.2) lets a recipient take it for the end of a
     * line; we refuse it, because peers that differ about where a line ends are how
     * requests get smuggled.
     */
    SOCKEYE_HEAD_BARE_LINE_FEED = 2,
    /**
     * A byte that no part of a head may hold, such as NUL; or the beginning of something
     * that is not HTTP.
     */
    SOCKEYE_HEAD_CONTROL_BYTE = 3,
    /**
     * A first line that is neither a request line nor a status line.
     */
    SOCKEYE_HEAD_FIRST_LINE = 4,
    /**
     * A header line that goes on in the next (obs-fold, RFC 9112, section 5.2).
     */
    SOCKEYE_HEAD_FOLDED_LINE = 5,
    /**
     * A line that is no header: no colon, white space before it, or a name that is not a
     * token (RFC 9112, section 5.1).
     */
    SOCKEYE_HEAD_HEADER_SYNTAX = 6,
    /**
     * A target longer than `max_target_len`.
     */
    SOCKEYE_HEAD_TARGET_TOO_LONG = 7,
    /**
     * A head longer than `max_head_len`.
     */
    SOCKEYE_HEAD_TOO_LONG = 8,
    /**
     * More header lines than `max_headers`.
     */
    SOCKEYE_HEAD_TOO_MANY_HEADERS = 9,
    /**
     * `Content-Length` other than 0, or `Transfer-Encoding`: a body has no place before
     * frames.
     */
    SOCKEYE_REQUEST_BODY_NOT_ALLOWED = 21,
    /**
     * No `Upgrade` in `Connection` (section 4.2.1, item 4).
     */
    SOCKEYE_REQUEST_CONNECTION_MISSING = 22,
    /**
     * `Sec-WebSocket-Extensions` does not follow its grammar (section 9.1).
     */
    SOCKEYE_REQUEST_EXTENSION_INVALID = 23,
    /**
     * Two `Host` lines, or not a host.
     */
    SOCKEYE_REQUEST_HOST_INVALID = 24,
    /**
     * No `Host` line (section 4.2.1, item 2).
     */
    SOCKEYE_REQUEST_HOST_MISSING = 25,
    /**
     * HTTP/1.0, which cannot upgrade (section 4.2.1, item 1).
     */
    SOCKEYE_REQUEST_HTTP_VERSION_TOO_OLD = 26,
    /**
     * A major version of HTTP other than 1.
     */
    SOCKEYE_REQUEST_HTTP_VERSION_UNSUPPORTED = 27,
    /**
     * Two keys, or one that is not 16 bytes in base64 (section 4.2.1, item 5).
     */
    SOCKEYE_REQUEST_KEY_INVALID = 28,
    /**
     * No `Sec-WebSocket-Key`.
     */
    SOCKEYE_REQUEST_KEY_MISSING = 29,
    /**
     * A method other than GET (section 4.2.1, item 1).
     */
    SOCKEYE_REQUEST_METHOD_NOT_GET = 30,
    /**
     * Two `Origin` lines, or bytes that no origin has.
     */
    SOCKEYE_REQUEST_ORIGIN_INVALID = 31,
    /**
     * The origin is not among those allowed (section 4.2.2, item 4).
     */
    SOCKEYE_REQUEST_ORIGIN_NOT_ALLOWED = 32,
    /**
     * `Sec-WebSocket-Protocol` with something that is not a token, or with nothing.
     */
    SOCKEYE_REQUEST_SUBPROTOCOL_INVALID = 33,
    /**
     * A target that is neither a path nor a URL of a scheme we serve.
     */
    SOCKEYE_REQUEST_TARGET_INVALID = 34,
    /**
     * The request did not come within `handshake_timeout_ns`.
     */
    SOCKEYE_REQUEST_TIMEOUT = 35,
    /**
     * No `websocket` in `Upgrade` (section 4.2.1, item 3): likely a plain HTTP request.
     */
    SOCKEYE_REQUEST_UPGRADE_MISSING = 36,
    /**
     * `Sec-WebSocket-Version` twice, or not one number.
     */
    SOCKEYE_REQUEST_VERSION_INVALID = 37,
    /**
     * A version other than 13, or none (section 4.4).
     */
    SOCKEYE_REQUEST_VERSION_UNSUPPORTED = 38,
    /**
     * `Sec-WebSocket-Accept` is absent, double, or proves nothing (section 4.1, item 4).
     */
    SOCKEYE_REPLY_ACCEPT_INVALID = 61,
    /**
     * No `Upgrade` in `Connection` (item 3).
     */
    SOCKEYE_REPLY_CONNECTION_MISSING = 62,
    /**
     * The stream ended before the reply was complete.
     */
    SOCKEYE_REPLY_END_OF_STREAM = 63,
    /**
     * An extension that was not offered (item 5), or no list of extensions.
     */
    SOCKEYE_REPLY_EXTENSION_NOT_OFFERED = 64,
    /**
     * Parameters of permessage-deflate that answer none of the offers (RFC 7692, section
     * 7.1).
     */
    SOCKEYE_REPLY_EXTENSION_PARAMETERS = 65,
    /**
     * A status line of another version than HTTP/1.1.
     */
    SOCKEYE_REPLY_HTTP_VERSION_UNSUPPORTED = 66,
    /**
     * A subprotocol that was not offered, or several (item 6).
     */
    SOCKEYE_REPLY_SUBPROTOCOL_NOT_OFFERED = 67,
    /**
     * The reply did not come within `handshake_timeout_ns`.
     */
    SOCKEYE_REPLY_TIMEOUT = 68,
    /**
     * No `websocket` in `Upgrade` (item 2).
     */
    SOCKEYE_REPLY_UPGRADE_MISSING = 69,
    /**
     * One that is newer than this list.
     */
    SOCKEYE_HANDSHAKE_OTHER = 99,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sockeye_handshake_error sockeye_handshake_error;
#else
typedef int32_t sockeye_handshake_error;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What happened. New ones may come: pass over what is not known.
 */
enum sockeye_event_type
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Nothing: there is no event.
     */
    SOCKEYE_EVENT_NONE = 0,
    /**
     * A piece of a text message: whole characters of UTF-8 (RFC 6455, section 5.6).
     */
    SOCKEYE_EVENT_TEXT = 1,
    /**
     * A piece of a binary message.
     */
    SOCKEYE_EVENT_BINARY = 2,
    /**
     * A Ping with this payload; its Pong is in the output already, unless `auto_pong`
     * is 0 (section 5.5.2).
     */
    SOCKEYE_EVENT_PING = 3,
    /**
     * A Pong with this payload, asked for or not (section 5.5.3).
     */
    SOCKEYE_EVENT_PONG = 4,
    /**
     * The peer's Close frame; the answer is in the output already (section 5.5.1). A
     * message that it cut short is void. The last event.
     */
    SOCKEYE_EVENT_CLOSE = 5,
    /**
     * The peer broke a rule; the Close frame that says so is in the output already
     * (section 7.1.7). The last event.
     */
    SOCKEYE_EVENT_FAILED = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sockeye_event_type sockeye_event_type;
#else
typedef int32_t sockeye_event_type;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A rule of RFC 6455, or RFC 7692, that the peer broke in an open connection. The
 * Close frame that says so is in the output already (RFC 6455, section 7.1.7).
 * Numbers keep their meaning from version to version; new ones may come.
 */
enum sockeye_protocol_error
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * None.
     */
    SOCKEYE_PROTOCOL_NONE = 0,
    /**
     * A status code that may not be on the wire (section 7.4).
     */
    SOCKEYE_PROTOCOL_CLOSE_CODE_INVALID = 1,
    /**
     * A Close payload of one byte (section 5.5.1).
     */
    SOCKEYE_PROTOCOL_CLOSE_PAYLOAD_TRUNCATED = 2,
    /**
     * A close reason that is not UTF-8 (section 5.5.1).
     */
    SOCKEYE_PROTOCOL_CLOSE_REASON_NOT_UTF8 = 3,
    /**
     * A compressed message that is not DEFLATE, or stops in the middle of it (RFC 7692,
     * section 7.2.2).
     */
    SOCKEYE_PROTOCOL_COMPRESSED_DATA_INVALID = 4,
    /**
     * A compressed message that grows by more than `deflate_max_ratio` (RFC 7692,
     * section 8).
     */
    SOCKEYE_PROTOCOL_COMPRESSION_RATIO_TOO_HIGH = 5,
    /**
     * A continuation frame with no message to continue (section 5.4).
     */
    SOCKEYE_PROTOCOL_CONTINUATION_WITHOUT_START = 6,
    /**
     * A control frame without FIN (section 5.5).
     */
    SOCKEYE_PROTOCOL_CONTROL_FRAME_FRAGMENTED = 7,
    /**
     * A control frame that announces more than 125 bytes (section 5.5).
     */
    SOCKEYE_PROTOCOL_CONTROL_FRAME_TOO_LONG = 8,
    /**
     * A frame that announces more than `max_frame_len` bytes (section 10.4).
     */
    SOCKEYE_PROTOCOL_FRAME_TOO_LONG = 9,
    /**
     * A length not in its shortest form (section 5.2).
     */
    SOCKEYE_PROTOCOL_LENGTH_NOT_MINIMAL = 10,
    /**
     * A 64-bit length with its top bit set (section 5.2).
     */
    SOCKEYE_PROTOCOL_LENGTH_TOP_BIT_SET = 11,
    /**
     * A server's frame that is masked (section 5.1).
     */
    SOCKEYE_PROTOCOL_MASKED_BY_SERVER = 12,
    /**
     * A text or binary frame inside a fragmented message (section 5.4).
     */
    SOCKEYE_PROTOCOL_MESSAGE_IN_PROGRESS = 13,
    /**
     * A message that would pass `max_message_len` bytes (section 10.4).
     */
    SOCKEYE_PROTOCOL_MESSAGE_TOO_LONG = 14,
    /**
     * RSV bits that no negotiated extension gave a meaning (section 5.2).
     */
    SOCKEYE_PROTOCOL_RESERVED_BITS = 15,
    /**
     * An opcode that no negotiated extension gave a meaning (section 5.2).
     */
    SOCKEYE_PROTOCOL_RESERVED_OPCODE = 16,
    /**
     * A text message that is not UTF-8 (section 8.1).
     */
    SOCKEYE_PROTOCOL_TEXT_NOT_UTF8 = 17,
    /**
     * A message in more than `max_fragments` frames (section 10.4).
     */
    SOCKEYE_PROTOCOL_TOO_MANY_FRAGMENTS = 18,
    /**
     * A client's frame that is not masked (section 5.1).
     */
    SOCKEYE_PROTOCOL_UNMASKED_BY_CLIENT = 19,
    /**
     * One that is newer than this list.
     */
    SOCKEYE_PROTOCOL_OTHER = 99,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sockeye_protocol_error sockeye_protocol_error;
#else
typedef int32_t sockeye_protocol_error;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Why a connection ended. New ones may come.
 */
enum sockeye_cause
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * One that is newer than this list.
     */
    SOCKEYE_CAUSE_OTHER = 0,
    /**
     * The program dropped it (`sockeye_connection_abort`).
     */
    SOCKEYE_CAUSE_ABORTED = 1,
    /**
     * A closing handshake, begun by either side (RFC 6455, section 7.1.2).
     */
    SOCKEYE_CAUSE_CLOSING_HANDSHAKE = 2,
    /**
     * The stream ended with no closing handshake.
     */
    SOCKEYE_CAUSE_END_OF_STREAM = 3,
    /**
     * The stream ended inside a frame.
     */
    SOCKEYE_CAUSE_END_INSIDE_FRAME = 4,
    /**
     * The peer broke a rule: see `error`.
     */
    SOCKEYE_CAUSE_PROTOCOL = 5,
    /**
     * The peer did not answer our Close frame in time.
     */
    SOCKEYE_CAUSE_CLOSE_TIMEOUT = 6,
    /**
     * No data was exchanged for too long.
     */
    SOCKEYE_CAUSE_IDLE_TIMEOUT = 7,
    /**
     * The peer did not answer a Ping in time.
     */
    SOCKEYE_CAUSE_PONG_TIMEOUT = 8,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sockeye_cause sockeye_cause;
#else
typedef int32_t sockeye_cause;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Asks for a connection and checks the reply (RFC 6455, section 4.1). One thread at a
 * time may use it.
 *
 * In order: what is to be added to the request; `sockeye_client_write_request`; then
 * `sockeye_client_receive` with all bytes so far, each time more have come, until
 * there is a reply; `sockeye_client_receive_eof` if they end before. Then free it.
 */
typedef struct sockeye_client sockeye_client;

/**
 * An open connection: bytes in, events and bytes out. It moves no bytes, reads no clock
 * and starts no thread. One thread at a time may use it; which, may change.
 *
 * - Bytes came from the transport: `sockeye_connection_receive` until it gives no more
 *   events, then write the output.
 * - The transport ended: `sockeye_connection_receive_eof`.
 * - After either, and after a command: `sockeye_connection_note_time`, if
 *   `sockeye_connection_wants_time`. It says when a deadline passes; if nothing has come
 *   by then, `sockeye_connection_handle_timeout`.
 * - At any time: commands, then write the output.
 * - When `sockeye_connection_should_close_transport`: write the output, and close the
 *   transport.
 */
typedef struct sockeye_connection sockeye_connection;

/**
 * Waits for a request that opens a connection (RFC 6455, section 4.2). One thread at
 * a time may use it.
 *
 * In order: `sockeye_server_receive` with all bytes so far, each time more have come,
 * until it gives a request; then `sockeye_server_accept` or `sockeye_server_reject`.
 * When it fails, `sockeye_server_write_error`. Then free it.
 */
typedef struct sockeye_server sockeye_server;

/**
 * Settings of connections: a `sockeye_config`, checked, and shared by all that are
 * made with it. They do not change, and any number of threads may use them at once.
 */
typedef struct sockeye_settings sockeye_settings;

/**
 * Bytes to be read: `len` of them from `data` on. Given to a function, they have to
 * stay what they are during the call. `data` may be NULL if `len` is 0.
 *
 * Where a function gives some, it says whose they are and how long they last. What
 * is absent has `data` NULL; what is empty has not.
 */
typedef struct sockeye_bytes {
    /**
     * The first byte.
     */
    const uint8_t *data;
    /**
     * How many there are.
     */
    size_t len;
} sockeye_bytes;

/**
 * Limits, deadlines and policy of connections, from their opening handshakes on. Fill
 * it with `sockeye_config_init`, change what is to be otherwise, and make
 * `sockeye_settings` of it.
 *
 * All limits are inclusive. Times are in nanoseconds; `SOCKEYE_NEVER` as a time is
 * that there is no such deadline. Later versions may add fields at the end; `size`
 * tells them how much of the struct a program knows, and 0 in the rest is what was
 * before.
 */
typedef struct sockeye_config {
    /**
     * The bytes of this struct that the program knows. Set by `sockeye_config_init`.
     */
    size_t size;
    /**
     * Bytes of the head of a request or reply. A server answers 431 to more. Default:
     * 16 KiB.
     */
    size_t max_head_len;
    /**
     * Header lines in a head, at most 128. A server answers 431 to more. Default: 100.
     */
    size_t max_headers;
    /**
     * Bytes of a request's target. A server answers 414 to more. Default: 8,000.
     */
    size_t max_target_len;
    /**
     * Bytes of the body of a refusal that a client keeps. Default: 64 KiB.
     */
    size_t max_refusal_len;
    /**
     * Bytes of the shortest message that is compressed. Default: 64.
     */
    size_t deflate_min_len;
    /**
     * Payload bytes of one message received, as they are after inflating; a message
     * of more fails the connection with 1009. Default: 16 MiB. UINT64_MAX: no limit.
     */
    uint64_t max_message_len;
    /**
     * Payload bytes of one frame received, as they are on the wire; more fails the
     * connection with 1009. Default: 16 MiB. UINT64_MAX: no limit.
     */
    uint64_t max_frame_len;
    /**
     * The time that the opening handshake may take. Default: 10 s.
     */
    uint64_t handshake_timeout_ns;
    /**
     * The time without any byte from the peer after which a Ping is sent. Default:
     * never.
     */
    uint64_t ping_interval_ns;
    /**
     * The time that the Pong to such a Ping may take before the connection is given up
     * with 1011. Default: 20 s.
     */
    uint64_t pong_timeout_ns;
    /**
     * The time without a data frame in either direction after which the connection is
     * closed with 1001. Default: never.
     */
    uint64_t idle_timeout_ns;
    /**
     * The time that closing may take, from the first Close frame until the transport
     * has ended. Default: 5 s.
     */
    uint64_t close_timeout_ns;
    /**
     * The time without a message compressed after which a connection's compressor is
     * freed. Default: never.
     */
    uint64_t deflate_release_after_ns;
    /**
     * Frames of one message received, empty ones included; more fails the connection
     * with 1009. Default: 262,144. UINT32_MAX: no limit.
     */
    uint32_t max_fragments;
    /**
     * The most that a message received may grow when it is inflated: bytes out for
     * each byte in; more fails the connection with 1009. Default: 0, any growth within
     * `max_message_len`.
     */
    uint32_t deflate_max_ratio;
    /**
     * 1: Pings are answered during the call that receives them. 0: the program answers
     * them with `sockeye_connection_send_pong`. Default: 1 (RFC 6455, section 5.5.2,
     * demands an answer).
     */
    uint8_t auto_pong;
    /**
     * 1: messages are compressed (permessage-deflate, RFC 7692) if the peer agrees.
     * Default: 0. With the defaults a connection that keeps contexts owns up to 430 KB
     * for them from its first compressed messages on.
     */
    uint8_t deflate;
    /**
     * How hard to compress, 1 to 9. Default: 3.
     */
    uint8_t deflate_level;
    /**
     * How much memory to compress in, 1 to 9. Default: 8.
     */
    uint8_t deflate_mem_level;
    /**
     * 1: the server compresses each message by itself, and keeps no memory between
     * them (RFC 7692, section 7.1.1.1). Default: 0.
     */
    uint8_t deflate_server_no_context_takeover;
    /**
     * The same for the client (section 7.1.1.2). Default: 0.
     */
    uint8_t deflate_client_no_context_takeover;
    /**
     * The largest window that the server compresses with, 8 to 15: the base-2 logarithm
     * of its bytes (section 7.1.2.1). Default: 15.
     */
    uint8_t deflate_server_max_window_bits;
    /**
     * The same for the client (section 7.1.2.2). Below 15 this leaves out clients that
     * do not let it be limited, browsers among them. Default: 15.
     */
    uint8_t deflate_client_max_window_bits;
} sockeye_config;

/**
 * A request that fulfils every rule of RFC 6455, section 4.2.1. All of it points into
 * the bytes that were given to `sockeye_server_receive`, and lasts as long as they do:
 * leave them where they are until the request is answered.
 */
typedef struct sockeye_request {
    /**
     * The whole head. What follows it are frames that came early: they belong to the
     * connection.
     */
    struct sockeye_bytes head;
    /**
     * The path of the target, as sent: percent-encoded, never empty.
     */
    struct sockeye_bytes path;
    /**
     * What follows the first `?` of the target; absent if there is none.
     */
    struct sockeye_bytes query;
    /**
     * The host that was asked for, with the port if it was named.
     */
    struct sockeye_bytes host;
    /**
     * The origin of the page that asks; absent for clients that are no browsers. It
     * is for the program to refuse foreign pages, with status 403 (section 10.2).
     */
    struct sockeye_bytes origin;
    /**
     * The header lines, for `sockeye_header_find`.
     */
    struct sockeye_bytes headers;
} sockeye_request;

/**
 * A header line to be sent: both are UTF-8, the name a token, the value without
 * control bytes. It is copied; the memory need not outlast the call.
 */
typedef struct sockeye_header {
    /**
     * Such as `Set-Cookie`.
     */
    struct sockeye_bytes name;
    /**
     * What stands behind the colon.
     */
    struct sockeye_bytes value;
} sockeye_header;

/**
 * Where bytes to be sent are appended: memory of the caller's, of which the first
 * `len` bytes are filled. Nothing is appended beyond `capacity`, nor in part: a frame
 * that does not fit gives `SOCKEYE_OUTPUT_FULL`, and `needed` is the free room that
 * it asks for. Write the first `len` bytes to the transport, in order, and set `len`
 * to 0 (or move the rest to the front); or make the memory larger; and call again.
 */
typedef struct sockeye_output {
    /**
     * The memory. It need not be initialised.
     */
    uint8_t *data;
    /**
     * Its bytes: at least `SOCKEYE_OUTPUT_MIN` for a connection.
     */
    size_t capacity;
    /**
     * The filled bytes.
     */
    size_t len;
    /**
     * After `SOCKEYE_OUTPUT_FULL`, the free bytes that would have been enough.
     */
    size_t needed;
} sockeye_output;

/**
 * What a server says to the handshake.
 */
typedef struct sockeye_reply {
    /**
     * The HTTP status: 101 if it accepts; else a redirect, a demand to authenticate,
     * an error (RFC 6455, section 4.1).
     */
    uint16_t status;
    /**
     * It accepts: there is a connection.
     */
    bool is_accepted;
    /**
     * The body of a refusal is all there. It is not if it was longer than
     * `max_refusal_len`, or the stream has ended before.
     */
    bool is_complete;
    /**
     * Bytes before the first frame; 0 for a refusal. What lies behind them is the
     * connection's.
     */
    size_t head_len;
    /**
     * The header lines, for `sockeye_header_find`. They point into the bytes that were
     * given.
     */
    struct sockeye_bytes headers;
    /**
     * The subprotocol that the server chose of those offered, or absent. It points
     * into the bytes that were given.
     */
    struct sockeye_bytes subprotocol;
    /**
     * The body of a refusal. It lasts until the client is used again, or freed.
     */
    struct sockeye_bytes body;
} sockeye_reply;

/**
 * Received bytes, consumed from the front: a call takes what it has used up off
 * `data` and `len`. They are worked on in place: what was consumed is spent.
 *
 * `scratch` is memory of which the calls need some to inflate into, where compression
 * was agreed on (RFC 7692); else it may be NULL. Each call has all of it anew. Its
 * contents do not matter, but it must have some: `static`, or from `calloc`. One for
 * all connections of a thread will do.
 */
typedef struct sockeye_input {
    /**
     * The first byte not consumed.
     */
    uint8_t *data;
    /**
     * How many are not consumed.
     */
    size_t len;
    /**
     * Memory to inflate into, or NULL.
     */
    uint8_t *scratch;
    /**
     * Its bytes: at least `SOCKEYE_SCRATCH_MIN`; 64 KiB is a good size, as what is
     * inflated comes in pieces that are as long.
     */
    size_t scratch_len;
} sockeye_input;

/**
 * An event. Its size is the same in all versions of the library.
 */
typedef struct sockeye_event {
    /**
     * What happened, and so which of the fields say something.
     */
    sockeye_event_type type;
    /**
     * TEXT, BINARY: the first piece of a message.
     */
    bool is_first;
    /**
     * TEXT, BINARY: the last piece of a message, which is complete and valid.
     */
    bool is_last;
    /**
     * CLOSE: the status code, 0 if there is none (section 7.1.5). FAILED: the one that
     * was sent.
     */
    uint16_t close_code;
    /**
     * FAILED: the rule that was broken.
     */
    sockeye_protocol_error error;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * TEXT, BINARY: the piece, which is empty only at the end of a message. PING, PONG:
     * the payload, up to 125 bytes. CLOSE: the reason, UTF-8 of up to 123 bytes.
     *
     * It is in the input, the scratch room, or the connection: it lasts until one of
     * them is used for another call of `sockeye_connection_receive`, or is gone.
     */
    struct sockeye_bytes data;
    /**
     * TEXT, BINARY: bytes of the message still to come, as announced by the peer;
     * UINT64_MAX as long as it is not known.
     */
    uint64_t remaining;
} sockeye_event;

/**
 * How a connection ended: everything there is to know, as a value. Its size is the
 * same in all versions of the library.
 */
typedef struct sockeye_closed {
    /**
     * Why.
     */
    sockeye_cause cause;
    /**
     * The broken rule, if that was the cause.
     */
    sockeye_protocol_error error;
    /**
     * The close code of the connection (RFC 6455, section 7.1.5): that of the peer's
     * Close frame; 1005 if that had none, 1006 if there was none.
     */
    uint16_t code;
    /**
     * The code of the Close frame that we sent; 0 if it had none, or there was none.
     */
    uint16_t sent_code;
    /**
     * Both sides have sent a Close frame, and nothing went wrong before (section
     * 7.1.4).
     */
    bool is_clean;
    /**
     * The peer ended it: it sent the first Close frame, or the stream just ended.
     */
    bool is_by_peer;
    /**
     * We sent a Close frame.
     */
    bool has_sent;
    /**
     * The peer sent a Close frame.
     */
    bool has_received;
    /**
     * The reason in the peer's Close frame (section 7.1.6): UTF-8 with a NUL behind it, and
     * with whatever the peer put before that, which may be other NULs.
     */
    char reason[124];
    /**
     * Its bytes, up to 123, without that NUL.
     */
    uint32_t reason_len;
} sockeye_closed;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library that runs, such as `0.1.0`; that of the header is
 * `SOCKEYE_VERSION`. It lasts as long as the program. Any thread may call this.
 */
const char *sockeye_version(void);

/**
 * A result in words: a line of English, for logs. It lasts as long as the program,
 * and is never NULL; of a number that is no result, it says so. Any thread may call
 * this at any time.
 */
const char *sockeye_result_text(int32_t result);

/**
 * The bytes of a C string, without its NUL; for literals, mostly. NULL is none.
 */
struct sockeye_bytes sockeye_text(const char *text);

/**
 * The free room that is enough to send so many bytes in one frame, whatever was agreed
 * on: a header, and what a message that does not compress may grow by while it is
 * tried.
 */
size_t sockeye_output_bound(size_t payload_len);

/**
 * Fills a config with the defaults. `size` is `sizeof(sockeye_config)`, as the program
 * was compiled.
 *
 * Errors: `SOCKEYE_NULL_POINTER`; `SOCKEYE_INVALID_ARGUMENT` if `size` is less than it
 * ever was, or more than a megabyte.
 */
sockeye_result sockeye_config_init(struct sockeye_config *config, size_t size);

/**
 * Makes settings of a config, for any number of connections. Free them with
 * `sockeye_settings_free`.
 *
 * Errors: `SOCKEYE_NULL_POINTER`; `SOCKEYE_INVALID_ARGUMENT` for a value out of its
 * range, or a config that was not initialised; `SOCKEYE_UNSUPPORTED` for a field of a
 * later version that is not 0, or for compression if this library was built without.
 */
sockeye_result sockeye_settings_new(const struct sockeye_config *config,
                                    struct sockeye_settings **settings);

/**
 * Frees settings; NULL is none. Servers, clients and connections that were made with
 * them keep them, and are not affected.
 */
void sockeye_settings_free(struct sockeye_settings *settings);

/**
 * Finds a header line that was received, by its name without regard to case: that
 * with this `index` among those of the name, counted from 0. `headers` is that of a
 * `sockeye_request` or `sockeye_reply`. `value`, without white space around it, points
 * into the same bytes.
 *
 * Errors: `SOCKEYE_NONE` if there is none; `SOCKEYE_NULL_POINTER`,
 * `SOCKEYE_INVALID_ARGUMENT`. Any thread may call this.
 */
sockeye_result sockeye_header_find(struct sockeye_bytes headers,
                                   struct sockeye_bytes name,
                                   size_t index,
                                   struct sockeye_bytes *value);

/**
 * Makes a server's side, with the settings for the handshake and for the connection;
 * NULL are the defaults. Free it with `sockeye_server_free`.
 *
 * Errors: `SOCKEYE_NULL_POINTER`.
 */
sockeye_result sockeye_server_new(const struct sockeye_settings *settings,
                                  struct sockeye_server **server);

/**
 * Frees a server's side; NULL is none. A connection that was made of it stays.
 */
void sockeye_server_free(struct sockeye_server *server);

/**
 * Looks for a complete request in `received`: all bytes that have come so far, those of
 * earlier calls included, wherever they are now. `SOCKEYE_OK`: `request` is filled.
 * `SOCKEYE_NEED_MORE`: call again when more have come. Each byte is looked at once,
 * however many calls it takes, and nothing is kept.
 *
 * Errors: `SOCKEYE_HANDSHAKE_FAILED` for a request that breaks a rule or a limit (ask
 * `sockeye_server_error`); `SOCKEYE_WRONG_STATE` once there was a request;
 * `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_server_receive(struct sockeye_server *server,
                                      struct sockeye_bytes received,
                                      struct sockeye_request *request);

/**
 * A subprotocol that the client offers (RFC 6455, section 4.2.1, item 8), counted from
 * 0 in order of its preference. `name` points into the head of the request.
 *
 * Errors: `SOCKEYE_NONE` if there are no more; `SOCKEYE_WRONG_STATE` before there is a
 * request, or after the answer; `SOCKEYE_INVALID_ARGUMENT` if `request` is not what
 * `sockeye_server_receive` gave; `SOCKEYE_NULL_POINTER`, `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_server_subprotocol(struct sockeye_server *server,
                                          const struct sockeye_request *request,
                                          size_t index,
                                          struct sockeye_bytes *name);

/**
 * Accepts: appends the reply (RFC 6455, section 4.2.2) and makes the open connection,
 * which is to be freed with `sockeye_connection_free`. `subprotocol` is one of those
 * that the client offers, or absent; `headers` are `header_count` lines to be added,
 * or NULL. Compression is agreed on if the settings and the client want it.
 *
 * Give the connection what lies behind the head next, and wait for more after that.
 *
 * Errors: `SOCKEYE_OUTPUT_FULL`, `SOCKEYE_SUBPROTOCOL_NOT_OFFERED`,
 * `SOCKEYE_INVALID_SUBPROTOCOL`, `SOCKEYE_INVALID_HEADER_NAME`,
 * `SOCKEYE_INVALID_HEADER_VALUE`, `SOCKEYE_RESERVED_HEADER`, `SOCKEYE_INVALID_TEXT`,
 * and as `sockeye_server_subprotocol`. The request can still be answered.
 */
sockeye_result sockeye_server_accept(struct sockeye_server *server,
                                     const struct sockeye_request *request,
                                     struct sockeye_bytes subprotocol,
                                     const struct sockeye_header *headers,
                                     size_t header_count,
                                     struct sockeye_output *output,
                                     struct sockeye_connection **connection);

/**
 * Refuses, be it a request or whoever may be there: appends an HTTP reply with this
 * status, 200 to 599, these header lines and this body, which is text (RFC 6455,
 * section 4.2.2, item 1). Write it, and close the transport.
 *
 * Errors: `SOCKEYE_OUTPUT_FULL`, `SOCKEYE_INVALID_STATUS`, `SOCKEYE_INVALID_TEXT`,
 * `SOCKEYE_INVALID_HEADER_NAME`, `SOCKEYE_INVALID_HEADER_VALUE`,
 * `SOCKEYE_RESERVED_HEADER`; `SOCKEYE_WRONG_STATE` after an answer;
 * `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_server_reject(struct sockeye_server *server,
                                     uint16_t status,
                                     const struct sockeye_header *headers,
                                     size_t header_count,
                                     struct sockeye_bytes body,
                                     struct sockeye_output *output);

/**
 * Says in `next_ns` when to call next, `SOCKEYE_NEVER` if not at all. Times are
 * nanoseconds since any point of the program's choice, and must not go backwards.
 *
 * Errors: `SOCKEYE_HANDSHAKE_FAILED` when `handshake_timeout_ns` has passed since the
 * first call; `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_server_handle_timeout(struct sockeye_server *server,
                                             uint64_t now_ns,
                                             uint64_t *next_ns);

/**
 * What was wrong with the request, after `SOCKEYE_HANDSHAKE_FAILED`; else
 * `SOCKEYE_HANDSHAKE_NONE`.
 */
sockeye_handshake_error sockeye_server_error(const struct sockeye_server *server);

/**
 * Appends the HTTP reply that the fault deserves, such as 400, 408 or 426 (RFC 6455,
 * sections 4.2.2 and 4.4). Write it, and close the transport.
 *
 * Errors: `SOCKEYE_OUTPUT_FULL`; `SOCKEYE_WRONG_STATE` unless it has failed, or after
 * an answer; `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_server_write_error(struct sockeye_server *server,
                                          struct sockeye_output *output);

/**
 * Makes a client's side that asks `host` for `target`: a path and query,
 * percent-encoded and without a fragment, or nothing. `host` is a name or an address;
 * `port` is named in the request unless it is that of the scheme, 443 if `secure`
 * (`wss`), else 80 (RFC 6455, sections 3 and 4.1). The texts are copied. Free it with
 * `sockeye_client_free`.
 *
 * `seed` is `SOCKEYE_SEED_LEN` bytes that nobody can guess and that are used once: the
 * masking keys come from them (section 10.3), and two connections with one seed mask
 * alike. NULL: they are had from the operating system, when the request is written.
 * `settings` NULL are the defaults.
 *
 * Errors: `SOCKEYE_INVALID_HOST`, `SOCKEYE_INVALID_TARGET`, `SOCKEYE_INVALID_TEXT`,
 * `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`.
 */
sockeye_result sockeye_client_new(const struct sockeye_settings *settings,
                                  const uint8_t *seed,
                                  bool secure,
                                  struct sockeye_bytes host,
                                  uint16_t port,
                                  struct sockeye_bytes target,
                                  struct sockeye_client **client);

/**
 * Frees a client's side; NULL is none. A connection that was made of it stays.
 */
void sockeye_client_free(struct sockeye_client *client);

/**
 * Offers a subprotocol; those offered first are preferred (RFC 6455, section 4.1, item
 * 10). It is copied.
 *
 * Errors: `SOCKEYE_INVALID_SUBPROTOCOL`, `SOCKEYE_DUPLICATE_SUBPROTOCOL`,
 * `SOCKEYE_INVALID_TEXT`; `SOCKEYE_WRONG_STATE` once the request was written;
 * `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_client_add_subprotocol(struct sockeye_client *client,
                                              struct sockeye_bytes name);

/**
 * Adds a header line to the request, such as Origin, Cookie or Authorization. It is
 * copied.
 *
 * Errors: `SOCKEYE_INVALID_HEADER_NAME`, `SOCKEYE_INVALID_HEADER_VALUE`,
 * `SOCKEYE_RESERVED_HEADER`, `SOCKEYE_INVALID_TEXT`; `SOCKEYE_WRONG_STATE` once the
 * request was written; `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`,
 * `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_client_add_header(struct sockeye_client *client,
                                         struct sockeye_bytes name,
                                         struct sockeye_bytes value);

/**
 * Appends the request, with a fresh key (RFC 6455, section 4.1, item 7).
 *
 * Errors: `SOCKEYE_OUTPUT_FULL`; `SOCKEYE_NO_ENTROPY`; `SOCKEYE_WRONG_STATE` once it
 * was written; `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_client_write_request(struct sockeye_client *client,
                                            struct sockeye_output *output);

/**
 * Looks for a complete reply in `received`: all bytes that have come so far, those of
 * earlier calls included, wherever they are now. `SOCKEYE_OK`: `reply` is filled, and
 * if it accepts, `connection` is the open connection, to be freed with
 * `sockeye_connection_free`; else it is NULL. `SOCKEYE_NEED_MORE`: call again when more
 * have come. Interim replies are passed over; a refusal is complete when its body is.
 *
 * Give the connection what lies behind `head_len` next, and wait for more after that.
 *
 * Errors: `SOCKEYE_HANDSHAKE_FAILED` for a reply that breaks a rule of RFC 6455,
 * section 4.1 (ask `sockeye_client_error`): close the transport.
 * `SOCKEYE_WRONG_STATE` before the request was written, or after a reply;
 * `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_client_receive(struct sockeye_client *client,
                                      struct sockeye_bytes received,
                                      struct sockeye_reply *reply,
                                      struct sockeye_connection **connection);

/**
 * The transport has ended: gives the refusal if there is one, with what there is of its
 * body. Else, and for a reply that is not complete, `SOCKEYE_HANDSHAKE_FAILED`.
 *
 * Otherwise as `sockeye_client_receive`.
 */
sockeye_result sockeye_client_receive_eof(struct sockeye_client *client,
                                          struct sockeye_bytes received,
                                          struct sockeye_reply *reply,
                                          struct sockeye_connection **connection);

/**
 * Says in `next_ns` when to call next, as `sockeye_server_handle_timeout` does.
 *
 * Errors: `SOCKEYE_HANDSHAKE_FAILED` when `handshake_timeout_ns` has passed since the
 * first call; `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_client_handle_timeout(struct sockeye_client *client,
                                             uint64_t now_ns,
                                             uint64_t *next_ns);

/**
 * What was wrong with the reply, after `SOCKEYE_HANDSHAKE_FAILED`; else
 * `SOCKEYE_HANDSHAKE_NONE`.
 */
sockeye_handshake_error sockeye_client_error(const struct sockeye_client *client);

/**
 * Makes a server's end of a connection whose opening handshake was made elsewhere, with
 * the subprotocol that it settled on, or absent. Without compression. Free it with
 * `sockeye_connection_free`. (`sockeye_server_accept` makes one of a request.)
 *
 * Errors: `SOCKEYE_INVALID_TEXT`, `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`.
 */
sockeye_result sockeye_connection_new_server(const struct sockeye_settings *settings,
                                             struct sockeye_bytes subprotocol,
                                             struct sockeye_connection **connection);

/**
 * The same for a client's end. `seed` as for `sockeye_client_new`.
 *
 * Errors: `SOCKEYE_NO_ENTROPY`, and as `sockeye_connection_new_server`.
 */
sockeye_result sockeye_connection_new_client(const struct sockeye_settings *settings,
                                             const uint8_t *seed,
                                             struct sockeye_bytes subprotocol,
                                             struct sockeye_connection **connection);

/**
 * Frees a connection; NULL is none. Nothing is sent.
 */
void sockeye_connection_free(struct sockeye_connection *connection);

/**
 * Consumes input up to the next event. `SOCKEYE_OK`: there is one; call again.
 * `SOCKEYE_NEED_MORE`: all is consumed, and what belongs to something incomplete is
 * kept: receive more. Answers that the RFC demands (Pong, Close) are in the output when
 * the event for them comes. A peer's violation is an event as well; after that, and
 * after a Close, input is discarded (RFC 6455, section 7.1.7).
 *
 * Of one message that is compressed, a short input can give many events.
 *
 * Errors: `SOCKEYE_OUTPUT_FULL` if there is no room for an answer, which
 * `SOCKEYE_OUTPUT_MIN` is; `SOCKEYE_SCRATCH_FULL` if there is too little scratch room.
 * In both cases some of the input may have been consumed: call again with the rest.
 * `SOCKEYE_INVALID_ARGUMENT` if any of the memory overlaps; `SOCKEYE_NULL_POINTER`,
 * `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_connection_receive(struct sockeye_connection *connection,
                                          struct sockeye_input *input,
                                          struct sockeye_output *output,
                                          struct sockeye_event *event);

/**
 * True if `sockeye_connection_receive` may give more without more input, since what was
 * consumed is not all inflated yet. A program that stops before there is nothing more,
 * to write its output say, must then call it again, with empty input if need be.
 * False for NULL, and after a panic.
 */
bool sockeye_connection_has_more(const struct sockeye_connection *connection);

/**
 * Payload bytes of the data frame being received that have not come, as its header
 * announced them; 0 between frames, and for NULL. A hint for how much to read; the
 * promise of a peer, so never a size to allocate.
 */
uint64_t sockeye_connection_frame_remaining(const struct sockeye_connection *connection);

/**
 * True while data can be sent: no Close frame has been sent or received. False for
 * NULL, and after a panic.
 */
bool sockeye_connection_is_open(const struct sockeye_connection *connection);

/**
 * True for a server's end. False for NULL, and after a panic.
 */
bool sockeye_connection_is_server(const struct sockeye_connection *connection);

/**
 * True if compression was agreed on (RFC 7692): the input needs scratch room. False for
 * NULL, and after a panic.
 */
bool sockeye_connection_is_compressing(const struct sockeye_connection *connection);

/**
 * The subprotocol in use (RFC 6455, section 4.1), or absent. It lasts as long as the
 * connection. Absent for NULL, and after a panic.
 */
struct sockeye_bytes sockeye_connection_subprotocol(const struct sockeye_connection *connection);

/**
 * True if `sockeye_connection_note_time` should be called now, since something has
 * happened that a deadline depends on. With all deadlines off the clock need not be
 * read. False for NULL, and after a panic.
 */
bool sockeye_connection_wants_time(const struct sockeye_connection *connection);

/**
 * Notes that what has happened since the last call happened now, and says in `next_ns`
 * when `sockeye_connection_handle_timeout` is due: `SOCKEYE_NEVER` if not before
 * something happens. Call it once when the connection opens, so that silence from the
 * start is noticed. Times are nanoseconds since any point of the program's choice, and
 * must not go backwards.
 *
 * Errors: `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_connection_note_time(struct sockeye_connection *connection,
                                            uint64_t now_ns,
                                            uint64_t *next_ns);

/**
 * Does what is due (a keep-alive Ping, closing an idle connection, giving up on a silent
 * peer) and says in `next_ns` when to call next, as `sockeye_connection_note_time`,
 * which it includes. Call it when a deadline has passed and there is nothing to be
 * read: the Pong that is waited for may lie there. Early and repeated calls are
 * harmless. Without room in the output it does what it can.
 *
 * Errors: `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_connection_handle_timeout(struct sockeye_connection *connection,
                                                 uint64_t now_ns,
                                                 struct sockeye_output *output,
                                                 uint64_t *next_ns);

/**
 * The time in nanoseconds between the latest Ping that was answered and its Pong;
 * `SOCKEYE_NEVER` if there was none, for NULL, and after a panic.
 */
uint64_t sockeye_connection_round_trip_ns(const struct sockeye_connection *connection);

/**
 * True when the transport should be closed, once the output is written: the closing
 * handshake is done (a server goes first, a client waits for it: RFC 6455, section
 * 7.1.1), or the connection has failed. To close a socket whose input was not all read
 * makes the kernel send a reset, which can overtake the Close frame: so end the sending
 * direction, read on until the end or `sockeye_connection_close_deadline_ns`, and close
 * it then. True for NULL, and after a panic.
 */
bool sockeye_connection_should_close_transport(const struct sockeye_connection *connection);

/**
 * When to stop waiting for the peer to close the transport, on the program's clock;
 * known once the closing has begun and the time was noted. `SOCKEYE_NEVER` otherwise,
 * for NULL, and after a panic.
 */
uint64_t sockeye_connection_close_deadline_ns(const struct sockeye_connection *connection);

/**
 * The transport will deliver no more bytes: fills `closed`, which may be NULL, with how
 * the connection ended. Calling it again says the same.
 *
 * Errors: `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_connection_receive_eof(struct sockeye_connection *connection,
                                              struct sockeye_closed *closed);

/**
 * Ends the connection here and now, with no closing handshake: drop the transport.
 * Fills `closed`, which may be NULL.
 *
 * Errors: `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_connection_abort(struct sockeye_connection *connection,
                                        struct sockeye_closed *closed);

/**
 * How the connection ended. `SOCKEYE_NONE` while data can still come or go.
 *
 * Errors: `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_connection_closed(struct sockeye_connection *connection,
                                         struct sockeye_closed *closed);

/**
 * Sends a text message in one frame, compressed if that was agreed on and it is long
 * enough (RFC 6455, section 5.6; RFC 7692). The text is copied into the output, masked
 * on the way for a client.
 *
 * Errors: `SOCKEYE_OUTPUT_FULL`: nothing was sent. `SOCKEYE_CLOSED`,
 * `SOCKEYE_FRAGMENT_IN_PROGRESS`, `SOCKEYE_INVALID_TEXT`, `SOCKEYE_NULL_POINTER`,
 * `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_connection_send_text(struct sockeye_connection *connection,
                                            struct sockeye_bytes text,
                                            struct sockeye_output *output);

/**
 * Sends a binary message in one frame, as `sockeye_connection_send_text` does.
 *
 * Errors: `SOCKEYE_OUTPUT_FULL`, `SOCKEYE_CLOSED`, `SOCKEYE_FRAGMENT_IN_PROGRESS`,
 * `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_connection_send_binary(struct sockeye_connection *connection,
                                              struct sockeye_bytes data,
                                              struct sockeye_output *output);

/**
 * Sends a fragment of a text message (RFC 6455, section 5.4). The first begins the
 * message, the one with `fin` ends it; Pings and Pongs may go in between. A fragment may
 * end inside a character: the text is validated over all of them.
 *
 * Errors: as `sockeye_connection_send_text`; `SOCKEYE_FRAGMENT_IN_PROGRESS` only if the
 * message in progress is binary.
 */
sockeye_result sockeye_connection_send_text_fragment(struct sockeye_connection *connection,
                                                     struct sockeye_bytes text,
                                                     bool fin,
                                                     struct sockeye_output *output);

/**
 * Sends a fragment of a binary message, as `sockeye_connection_send_text_fragment`.
 *
 * Errors: as `sockeye_connection_send_binary`; `SOCKEYE_FRAGMENT_IN_PROGRESS` only if
 * the message in progress is text.
 */
sockeye_result sockeye_connection_send_binary_fragment(struct sockeye_connection *connection,
                                                       struct sockeye_bytes data,
                                                       bool fin,
                                                       struct sockeye_output *output);

/**
 * Sends a Ping with up to 125 bytes (RFC 6455, section 5.5.2), also between fragments.
 * When its Pong comes, `sockeye_connection_round_trip_ns` is known.
 *
 * Errors: `SOCKEYE_CONTROL_TOO_LONG`, `SOCKEYE_OUTPUT_FULL`, `SOCKEYE_CLOSED`,
 * `SOCKEYE_NULL_POINTER`, `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_connection_send_ping(struct sockeye_connection *connection,
                                            struct sockeye_bytes payload,
                                            struct sockeye_output *output);

/**
 * Sends a Pong with up to 125 bytes (RFC 6455, section 5.5.3): the answer to a Ping when
 * `auto_pong` is 0, or one that nobody asked for.
 *
 * Errors: as `sockeye_connection_send_ping`.
 */
sockeye_result sockeye_connection_send_pong(struct sockeye_connection *connection,
                                            struct sockeye_bytes payload,
                                            struct sockeye_output *output);

/**
 * Starts the closing handshake (RFC 6455, section 7.1.2) with this status code, 1000 to
 * 1003, 1007 to 1014 or 3000 to 4999 (section 7.4), or 0 for none. `reason` is UTF-8, and
 * absent or empty without a code; of more than 123 bytes, the beginning is sent. Data may
 * still come until the peer answers; a message being sent in fragments is cut short.
 *
 * Errors: `SOCKEYE_INVALID_CLOSE_CODE`, `SOCKEYE_INVALID_TEXT`, `SOCKEYE_OUTPUT_FULL`,
 * `SOCKEYE_CLOSED` if it was started before, `SOCKEYE_NULL_POINTER`,
 * `SOCKEYE_INVALID_ARGUMENT`, `SOCKEYE_PANICKED`.
 */
sockeye_result sockeye_connection_close(struct sockeye_connection *connection,
                                        uint16_t code,
                                        struct sockeye_bytes reason,
                                        struct sockeye_output *output);

/**
 * A broken rule in words, as `sockeye_result_text`.
 */
const char *sockeye_protocol_error_text(int32_t error);

/**
 * The status code of the Close frame that answers a broken rule: 1002, 1007 or 1009
 * (RFC 6455, section 7.4.1); 0 for a number that is no rule.
 */
uint16_t sockeye_protocol_error_close_code(int32_t error);

/**
 * What is wrong with a handshake in words, as `sockeye_result_text`.
 */
const char *sockeye_handshake_error_text(int32_t error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SOCKEYE_H */
