/* A client that waits for its socket: sends a text, waits for its echo, and closes in good
 * order.
 *
 *     client ws://HOST[:PORT][/PATH] TEXT
 *
 * Exit status 0 only if the echo came back and the closing was clean. Ends within 20
 * seconds, whatever the server does, but for what looking up a name may take.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <sockeye.h>

#define SECOND 1000000000ull
#define PATIENCE (15 * SECOND)

/* More than the server's reply takes, or one read of frames. */
#define READ_LEN (64u << 10)
#define SCRATCH_LEN (16u << 10)

/* The longest text that is waited for. */
#define MAX_TEXT (1u << 20)

static uint8_t buffer[READ_LEN];
static uint8_t scratch[SCRATCH_LEN];
static uint64_t deadline;
static int fd = -1;

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static void fail(const char *format, ...)
{
    va_list words;
    va_start(words, format);
    fprintf(stderr, "client: ");
    vfprintf(stderr, format, words);
    fprintf(stderr, "\n");
    va_end(words);
    exit(1);
}

static void check(const char *what, sockeye_result result)
{
    if (result != SOCKEYE_OK)
        fail("%s: %s", what, sockeye_result_text(result));
}

/* ---- the socket ----------------------------------------------------------------------- */

/* Waits until the socket is ready, as long as there is time. */
static void wait_for(short events, uint64_t until)
{
    struct pollfd ready = {.fd = fd, .events = events};
    for (;;) {
        uint64_t now = clock_ns();
        if (now >= until)
            fail("the deadline has passed");
        if (poll(&ready, 1, (int)((until - now) / 1000000 + 1)) > 0)
            return;
    }
}

static void write_all(sockeye_output *out)
{
    size_t sent = 0;
    while (sent < out->len) {
        ssize_t n;
        wait_for(POLLOUT, deadline);
        n = send(fd, out->data + sent, out->len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            fail("write: %s", strerror(errno));
        sent += n > 0 ? (size_t)n : 0;
    }
    out->len = 0;
}

/* What has come; 0 at the end. */
static size_t read_some(uint8_t *data, size_t len, uint64_t until)
{
    for (;;) {
        ssize_t n;
        wait_for(POLLIN, until);
        n = recv(fd, data, len, MSG_DONTWAIT);
        if (n >= 0)
            return (size_t)n;
        if (errno != EAGAIN && errno != EINTR)
            fail("read: %s", strerror(errno));
    }
}

static void connect_to(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *at;
    int error = getaddrinfo(host, port, &hints, &found);
    if (error != 0)
        fail("%s: %s", host, gai_strerror(error));
    for (at = found; at != NULL; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol);
        error = fd < 0 || connect(fd, at->ai_addr, at->ai_addrlen) < 0 ? errno : 0;
        if (fd >= 0 && error == EINPROGRESS) {
            socklen_t len = sizeof error;
            wait_for(POLLOUT, deadline);
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
        }
        if (error == 0)
            break;
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    if (fd < 0)
        fail("%s:%s: %s", host, port, strerror(error));
}

/* ---- the handshake -------------------------------------------------------------------- */

/* Leaves in the buffer what came behind the reply, and says how much that is. */
static sockeye_connection *shake_hands(const char *host, uint16_t port, const char *target, sockeye_output *out,
                                       size_t *early)
{
    sockeye_config config;
    sockeye_settings *settings;
    sockeye_client *client;
    sockeye_connection *ws = NULL;
    sockeye_reply reply;
    sockeye_result result;
    size_t len = 0, n;

    sockeye_config_init(&config, sizeof config);
    config.deflate = 1;
    check("settings", sockeye_settings_new(&config, &settings));
    check("request", sockeye_client_new(settings, NULL, false, sockeye_text(host), port, sockeye_text(target), &client));
    sockeye_settings_free(settings);
    check("request", sockeye_client_write_request(client, out));
    write_all(out);
    do {
        n = read_some(buffer + len, sizeof buffer - len, deadline);
        len += n;
        if (n > 0)
            result = sockeye_client_receive(client, (sockeye_bytes){buffer, len}, &reply, &ws);
        else
            result = sockeye_client_receive_eof(client, (sockeye_bytes){buffer, len}, &reply, &ws);
    } while (result == SOCKEYE_NEED_MORE && len < sizeof buffer);
    if (result == SOCKEYE_HANDSHAKE_FAILED)
        fail("handshake: %s", sockeye_handshake_error_text(sockeye_client_error(client)));
    check("handshake", result);
    if (!reply.is_accepted)
        fail("refused with status %d", reply.status);
    *early = len - reply.head_len;
    memmove(buffer, buffer + reply.head_len, *early);
    sockeye_client_free(client);
    return ws;
}

/* ---- the conversation ------------------------------------------------------------------- */

/* The text message that is coming. */
static struct {
    char *data;
    size_t len;
} text;

/* True if it is complete. */
static bool collect(const sockeye_event *event)
{
    if (event->is_first)
        text.len = 0;
    if (text.len + event->data.len > MAX_TEXT)
        fail("a text of more than %u bytes", MAX_TEXT);
    text.data = realloc(text.data, text.len + event->data.len + 1);
    if (text.data == NULL)
        fail("out of memory");
    memcpy(text.data + text.len, event->data.data, event->data.len);
    text.len += event->data.len;
    return event->is_last;
}

/* Reads until the echo has come and the connection is closed. True if it has come. */
static bool converse(sockeye_connection *ws, const char *wanted, size_t early, sockeye_output *out)
{
    sockeye_bytes none = {NULL, 0};
    bool has_come = false;
    size_t len = early;
    uint64_t next = SOCKEYE_NEVER;
    for (;;) {
        sockeye_input input = {buffer, len, scratch, SCRATCH_LEN};
        sockeye_event event;
        sockeye_result result;
        /* Without input to use up there may be output to write. */
        while ((result = sockeye_connection_receive(ws, &input, out, &event)) == SOCKEYE_OK) {
            if (event.type == SOCKEYE_EVENT_TEXT && collect(&event) && !has_come) {
                has_come = text.len == strlen(wanted) && memcmp(text.data, wanted, text.len) == 0;
                if (has_come) {
                    result = sockeye_connection_close(ws, 1000, none, out);
                    if (result != SOCKEYE_OK && result != SOCKEYE_CLOSED)
                        check("close", result);
                }
            } else if (event.type == SOCKEYE_EVENT_FAILED) {
                write_all(out);
                fail("%s", sockeye_protocol_error_text(event.error));
            }
        }
        if (result == SOCKEYE_OUTPUT_FULL) {
            write_all(out);
            memmove(buffer, input.data, input.len);
            len = input.len;
            continue;
        }
        if (result != SOCKEYE_NEED_MORE)
            check("receive", result);
        write_all(out);
        if (sockeye_connection_should_close_transport(ws))
            return has_come;
        /* The one deadline of the defaults is that of the closing. */
        if (sockeye_connection_wants_time(ws))
            sockeye_connection_note_time(ws, clock_ns(), &next);
        len = read_some(buffer, sizeof buffer, next < deadline ? next : deadline);
        if (len == 0)
            return has_come;
    }
}

int main(int argc, char **argv)
{
    static uint8_t memory[MAX_TEXT + MAX_TEXT / 2];
    sockeye_output out = {memory, sizeof memory, 0, 0};
    sockeye_connection *ws;
    sockeye_closed closed;
    char host[256] = "", port[6] = "80";
    const char *rest, *target;
    size_t early = 0;
    bool has_come;

    if (argc != 3 || strncmp(argv[1], "ws://", 5) != 0) {
        fprintf(stderr, "usage: client ws://HOST[:PORT][/PATH] TEXT\n");
        return 2;
    }
    rest = argv[1] + 5;
    target = rest + strcspn(rest, "/?");
    /* A URL's host and port; addresses of IPv6 are left to others. */
    if (sscanf(rest, "%255[^:/?]:%5[0-9]", host, port) < 1 || strlen(argv[2]) > MAX_TEXT)
        fail("no such URL, or too long a text");

    if (strtoul(port, NULL, 10) > UINT16_MAX)
        fail("no such port");
    deadline = clock_ns() + PATIENCE;
    connect_to(host, port);
    ws = shake_hands(host, (uint16_t)strtoul(port, NULL, 10), target, &out, &early);
    check("send", sockeye_connection_send_text(ws, sockeye_text(argv[2]), &out));
    has_come = converse(ws, argv[2], early, &out);
    check("end", sockeye_connection_receive_eof(ws, &closed));
    sockeye_connection_free(ws);
    free(text.data);
    close(fd);
    if (!has_come)
        fail("no echo: closed with %d", closed.code);
    if (!closed.is_clean)
        fail("stream ended without a closing handshake");
    printf("%s\n", argv[2]);
    return 0;
}
