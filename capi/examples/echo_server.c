/* An echo server on epoll: one thread, sockets that do not block, and memory that no peer
 * can make grow.
 *
 *     echo_server [ADDR:PORT] [--max-message BYTES] [--patience SECONDS]
 *
 * What is read goes through one buffer, and answers through another, which belong to the
 * thread: an idle client owns its state and nothing else.
 *
 * 1. Readiness: a client can be read from, or written to.
 * 2. Read into the shared buffer, and give the engine what came.
 * 3. What its events say is answered into the shared output, piece by piece, until all that
 *    was read is used up: one write for many messages.
 * 4. What the socket does not take waits with the client. Until it is taken, the rest of the
 *    input is held, and no more is read: back-pressure. Who takes nothing for long is let go.
 *    (So a client with a long message has to read the echo while it sends.)
 * 5. The engine says when it wants to be called if nothing happens. The earliest of these
 *    times is when all clients are looked at. (With many deadlines, use a heap.)
 *
 * Linux. SIGTERM and SIGINT end it, with all memory freed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <sockeye.h>

/* Bytes of one read; of inflated data at a time; of a request's head. */
#define READ_LEN (64u << 10)
#define SCRATCH_LEN (16u << 10)
#define HEAD_LEN (16u << 10)

/* Reads of one client, and writes of what it is answered, before the others have a turn. */
#define READS_IN_TURN 4
#define WRITES_IN_TURN 4

#define SECOND 1000000000ull

enum phase {
    OPENING, /* the request is coming */
    OPEN,
    REFUSED, /* it was no good */
    LEAVING  /* our direction has ended; what still comes is thrown away */
};

struct bytes {
    uint8_t *data;
    size_t len;
};

struct client {
    struct client *previous, *next;
    int fd;
    enum phase phase;
    sockeye_server *server; /* while OPENING */
    sockeye_connection *ws; /* once OPEN */
    struct bytes held;      /* received and not used up: part of a head, or frames that wait */
    struct bytes pending;   /* output that the socket has not taken */
    size_t sent;            /* what it has taken of that since */
    bool has_frames;        /* the engine has more to give when there is room for answers */
    bool has_ended;         /* the client sends no more */
    bool is_gone;           /* the socket is of no use any more */
    uint32_t interest;      /* what epoll watches it for */
    uint64_t due;           /* when to look at it if nothing happens */
    uint64_t engine_due;    /* when the engine wants that */
    uint64_t taken_at;      /* when the socket last took something */
    uint64_t leaves_by;     /* by when it has to be gone, once all is said */
};

/* What the thread has, for all clients. */
static uint8_t read_buffer[READ_LEN];
static uint8_t scratch[SCRATCH_LEN];
static sockeye_output out;
static size_t room; /* free bytes of it that the answer to any event fits in */
static sockeye_settings *settings;
static struct client *clients;
static int poller, listener;
static uint64_t next_due = SOCKEYE_NEVER;
static uint64_t accept_again = SOCKEYE_NEVER; /* accepting did not work, for want of descriptors say */
static uint64_t patience = 10 * SECOND;
static volatile sig_atomic_t stopping;

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void *checked(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return memory;
}

/* Keeps a copy of these bytes, which may be part of those kept already. */
static void keep(struct bytes *kept, const uint8_t *data, size_t len)
{
    if (len == 0) { /* an idle client owns no buffer */
        free(kept->data);
        kept->data = NULL;
    } else if (kept->data != NULL && (uintptr_t)data - (uintptr_t)kept->data < kept->len) {
        memmove(kept->data, data, len);
    } else {
        uint8_t *copy = checked(malloc(len));
        memcpy(copy, data, len);
        free(kept->data);
        kept->data = copy;
    }
    kept->len = len;
}

static void append(struct bytes *kept, const uint8_t *data, size_t len)
{
    if (len > 0) {
        kept->data = checked(realloc(kept->data, kept->len + len));
        memcpy(kept->data + kept->len, data, len);
        kept->len += len;
    }
}

/* ---- writing ----------------------------------------------------------------------- */

/* What the socket takes of these bytes. */
static size_t write_some(struct client *client, const uint8_t *data, size_t len)
{
    size_t sent = 0;
    while (sent < len && !client->is_gone) {
        /* No SIGPIPE if the client has gone. */
        ssize_t n = send(client->fd, data + sent, len - sent, MSG_NOSIGNAL);
        if (n >= 0)
            sent += (size_t)n;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            break;
        else if (errno != EINTR) {
            client->is_gone = true;
            fprintf(stderr, "connection: write: %s\n", strerror(errno));
        }
    }
    return sent;
}

static bool is_flushed(const struct client *client)
{
    return client->pending.len == 0;
}

/* Writes what waits, and then the shared output; what is not taken waits. */
static void flush(struct client *client, uint64_t now)
{
    bool waited = !is_flushed(client);
    size_t sent = 0;
    if (waited)
        sent = write_some(client, client->pending.data + client->sent, client->pending.len - client->sent);
    client->sent += sent;
    if (client->sent == client->pending.len) {
        size_t taken = write_some(client, out.data, out.len);
        keep(&client->pending, out.data + taken, out.len - taken);
        client->sent = 0;
        sent += taken;
    } else {
        append(&client->pending, out.data, out.len);
    }
    out.len = 0;
    if (sent > 0 || !waited)
        client->taken_at = now;
}

/* ---- what comes --------------------------------------------------------------------- */

static void complain(const char *what, sockeye_result result)
{
    fprintf(stderr, "connection: %s: %s\n", what, sockeye_result_text(result));
}

/* The application: an echo, in the pieces that come. */
static void answer(struct client *client, const sockeye_event *event)
{
    sockeye_result result = SOCKEYE_OK;
    switch (event->type) {
    case SOCKEYE_EVENT_TEXT:
        result = sockeye_connection_send_text_fragment(client->ws, event->data, event->is_last, &out);
        break;
    case SOCKEYE_EVENT_BINARY:
        result = sockeye_connection_send_binary_fragment(client->ws, event->data, event->is_last, &out);
        break;
    case SOCKEYE_EVENT_FAILED:
        fprintf(stderr, "connection: %s\n", sockeye_protocol_error_text(event->error));
        break;
    default: /* Ping and Close are answered already */
        break;
    }
    /* After our Close, what still comes has no answer. */
    if (result != SOCKEYE_OK && result != SOCKEYE_CLOSED) {
        complain("answer", result);
        client->is_gone = true;
    }
}

/* Has the engine use up these bytes, as long as there is room for the answers. */
static void receive_frames(struct client *client, uint8_t *data, size_t len, uint64_t now)
{
    sockeye_input input = {data, len, scratch, SCRATCH_LEN};
    sockeye_event event;
    int writes = 0;
    while (!client->is_gone) {
        if (out.capacity - out.len < room) {
            flush(client, now);
            if (!is_flushed(client) || ++writes == WRITES_IN_TURN) {
                keep(&client->held, input.data, input.len);
                client->has_frames = true;
                return;
            }
        }
        sockeye_result result = sockeye_connection_receive(client->ws, &input, &out, &event);
        if (result == SOCKEYE_NEED_MORE)
            break;
        if (result != SOCKEYE_OK) {
            complain("receive", result);
            client->is_gone = true;
            break;
        }
        answer(client, &event);
    }
    keep(&client->held, NULL, 0);
    client->has_frames = false;
}

/* Tells the client what is wrong with its request. */
static void refuse(struct client *client)
{
    int error = sockeye_server_error(client->server);
    fprintf(stderr, "handshake: %s\n", sockeye_handshake_error_text(error));
    sockeye_server_write_error(client->server, &out);
    client->phase = REFUSED;
}

/* These bytes are more of the request, or all of it and the first frames. */
static void receive_request(struct client *client, uint8_t *data, size_t len, uint64_t now)
{
    sockeye_bytes subprotocol = {NULL, 0};
    sockeye_request request;
    sockeye_result result;

    /* Most requests come whole, and are read where they lie. */
    if (client->held.len > 0) {
        append(&client->held, data, len);
        data = client->held.data;
        len = client->held.len;
    }
    result = sockeye_server_receive(client->server, (sockeye_bytes){data, len}, &request);
    if (result == SOCKEYE_NEED_MORE) {
        keep(&client->held, data, len);
        return;
    }
    if (result != SOCKEYE_OK) {
        refuse(client);
        return;
    }
    /* The first subprotocol that the client offers is as good as any. */
    sockeye_server_subprotocol(client->server, &request, 0, &subprotocol);
    result = sockeye_server_accept(client->server, &request, subprotocol, NULL, 0, &out, &client->ws);
    if (result != SOCKEYE_OK) {
        complain("accept", result);
        client->is_gone = true;
        return;
    }
    sockeye_server_free(client->server);
    client->server = NULL;
    client->phase = OPEN;
    client->engine_due = SOCKEYE_NEVER;
    sockeye_connection_note_time(client->ws, now, &client->engine_due);
    /* A client may not wait for the reply before it sends. */
    receive_frames(client, data + request.head.len, len - request.head.len, now);
}

static void receive_eof(struct client *client)
{
    sockeye_closed closed;
    client->has_ended = true;
    if (client->phase == OPEN && sockeye_connection_receive_eof(client->ws, &closed) == SOCKEYE_OK && !closed.is_clean)
        fprintf(stderr, "connection: not closed in good order: cause %d\n", (int)closed.cause);
}

/* ---- a client's turn ------------------------------------------------------------------ */

/* Our direction is to be ended, once all is written. */
static bool is_done(const struct client *client)
{
    switch (client->phase) {
    case OPEN:
        return sockeye_connection_should_close_transport(client->ws);
    case REFUSED:
        return true;
    default:
        return client->has_ended;
    }
}

/* Who takes nothing is not read from, nor who is to be hung up on. */
static bool may_read(const struct client *client)
{
    bool is_waiting = !is_flushed(client) || client->has_frames;
    return !client->has_ended && (client->phase == LEAVING || (!is_waiting && !is_done(client)));
}

static void leave(struct client *client)
{
    if (client->previous != NULL)
        client->previous->next = client->next;
    else
        clients = client->next;
    if (client->next != NULL)
        client->next->previous = client->previous;
    close(client->fd);
    sockeye_server_free(client->server);
    sockeye_connection_free(client->ws);
    free(client->held.data);
    free(client->pending.data);
    free(client);
    if (accept_again != SOCKEYE_NEVER)
        accept_again = 0;
}

/* Has epoll watch a client for what is of use. */
static void watch(struct client *client)
{
    uint32_t reading = may_read(client) ? EPOLLIN : 0;
    /* One that has more to say than was allowed in a turn can be written to at once. */
    uint32_t writing = !is_flushed(client) || client->has_frames ? EPOLLOUT : 0;
    if (client->interest != (reading | writing)) {
        struct epoll_event event = {.events = reading | writing, .data = {.ptr = client}};
        client->interest = event.events;
        epoll_ctl(poller, EPOLL_CTL_MOD, client->fd, &event);
    }
    next_due = min(next_due, client->due);
}

/* A deadline counts when there was nothing to read: what would keep it may lie there. */
static void keep_time(struct client *client, bool has_looked, uint64_t now)
{
    if (client->phase == OPENING) {
        if (sockeye_server_handle_timeout(client->server, now, &client->engine_due) != SOCKEYE_OK)
            refuse(client);
    } else if (client->phase == OPEN && has_looked && client->engine_due <= now) {
        sockeye_connection_handle_timeout(client->ws, now, &out, &client->engine_due);
    } else if (client->phase == OPEN && sockeye_connection_wants_time(client->ws)) {
        sockeye_connection_note_time(client->ws, now, &client->engine_due);
    }
}

/* Ends what is to be ended. False: nothing is left to do for this client. */
static bool go_on(struct client *client, uint64_t now)
{
    client->due = client->engine_due;
    if (is_done(client) || client->phase == LEAVING) {
        if (client->leaves_by == SOCKEYE_NEVER)
            client->leaves_by = now + patience;
        client->due = client->leaves_by;
        if (client->due <= now || (client->has_ended && is_flushed(client)))
            return false;
        if (is_flushed(client) && client->phase != LEAVING) {
            /* To close now could send a reset, which overtakes what was written. */
            shutdown(client->fd, SHUT_WR);
            client->phase = LEAVING;
        }
    } else if (!is_flushed(client)) {
        client->due = client->taken_at + patience;
        if (client->due <= now)
            return false;
    }
    return !client->is_gone;
}

/* Reads, answers and writes, as far as the socket goes and the turn lasts. */
static void turn(struct client *client, uint64_t now)
{
    bool has_looked = false;
    flush(client, now);
    if (client->has_frames && is_flushed(client))
        receive_frames(client, client->held.data, client->held.len, now);
    for (int reads = 0; reads < READS_IN_TURN && !has_looked && !client->is_gone && may_read(client); reads++) {
        ssize_t n = recv(client->fd, read_buffer, READ_LEN, 0);
        if (n > 0) {
            /* A short read leaves nothing behind; if more comes, epoll says so. */
            has_looked = (size_t)n < READ_LEN;
            if (client->phase == OPENING)
                receive_request(client, read_buffer, (size_t)n, now);
            else if (client->phase == OPEN)
                receive_frames(client, read_buffer, (size_t)n, now);
            flush(client, now);
        } else if (n == 0) {
            receive_eof(client);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            has_looked = true;
        } else if (errno != EINTR) {
            fprintf(stderr, "connection: read: %s\n", strerror(errno));
            client->is_gone = true;
        }
    }
    /* Nor counts one while what has come waits to be received. */
    keep_time(client, has_looked && !client->has_frames && is_flushed(client), now);
    flush(client, now);
    if (go_on(client, now))
        watch(client);
    else
        leave(client);
}

/* ---- the loop ----------------------------------------------------------------------- */

static void watch_listener(uint32_t events, int how)
{
    struct epoll_event event = {.events = events, .data = {.ptr = NULL}};
    epoll_ctl(poller, how, listener, &event);
}

static void enter(int fd, uint64_t now)
{
    struct client *client = checked(calloc(1, sizeof *client));
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = client}};
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    client->fd = fd;
    client->interest = event.events;
    client->due = client->engine_due = client->leaves_by = SOCKEYE_NEVER;
    client->taken_at = now;
    client->next = clients;
    if (clients != NULL)
        clients->previous = client;
    clients = client;
    if (sockeye_server_new(settings, &client->server) != SOCKEYE_OK || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) {
        fprintf(stderr, "connection: cannot be served\n");
        leave(client);
        return;
    }
    turn(client, now);
}

static void accept_clients(uint64_t now)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            enter(fd, now);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            fprintf(stderr, "accept: %s\n", strerror(errno));
            accept_again = now + SECOND;
            watch_listener(0, EPOLL_CTL_MOD);
            return;
        }
    }
}

/* Those whose time has come. */
static void judge(uint64_t now)
{
    if (accept_again <= now) {
        accept_again = SOCKEYE_NEVER;
        watch_listener(EPOLLIN, EPOLL_CTL_MOD);
    }
    if (next_due > now)
        return;
    next_due = SOCKEYE_NEVER;
    for (struct client *client = clients, *next; client != NULL; client = next) {
        next = client->next;
        if (client->due <= now)
            turn(client, now);
        else
            next_due = min(next_due, client->due);
    }
}

static void serve(const sigset_t *while_waiting)
{
    struct epoll_event events[256];
    while (!stopping) {
        uint64_t now = clock_ns(), due = min(next_due, accept_again);
        /* Not a little too early: epoll counts in milliseconds. */
        uint64_t wait = due <= now ? 0 : min((due - now) / 1000000 + 1, 60000);
        int count = epoll_pwait(poller, events, 256, (int)wait, while_waiting);
        now = clock_ns();
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                accept_clients(now);
            else
                turn(events[i].data.ptr, now);
        }
        judge(now);
    }
    while (clients != NULL)
        leave(clients);
}

/* ---- beginning and end ---------------------------------------------------------------- */

static int listen_on(const char *address)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t len = sizeof name;
    char host[INET_ADDRSTRLEN] = "";
    const char *colon = strrchr(address, ':');
    unsigned long port = colon == NULL ? 0 : strtoul(colon + 1, NULL, 10);
    int on = 1, fd;
    if (colon == NULL || (size_t)(colon - address) >= sizeof host || port > UINT16_MAX) {
        errno = EINVAL;
        return -1;
    }
    memcpy(host, address, (size_t)(colon - address));
    name.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, host, &name.sin_addr) != 1) {
        errno = EINVAL;
        return -1;
    }
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&name, sizeof name) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&name, &len) != 0) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        errno = error;
        return -1;
    }
    printf("listening on ws://%s:%d\n", host, ntohs(name.sin_port));
    fflush(stdout);
    return fd;
}

static void stop(int signal)
{
    (void)signal;
    stopping = 1;
}

static bool configure(int argc, char **argv, const char **address, sockeye_config *config)
{
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc && atoll(argv[i + 1]) > 0;
        if (strcmp(argv[i], "--max-message") == 0 && has_value) {
            config->max_message_len = (uint64_t)atoll(argv[++i]);
            /* What does not compress becomes a little longer if it is compressed. */
            config->max_frame_len = config->max_message_len + config->max_message_len / 8;
        } else if (strcmp(argv[i], "--patience") == 0 && has_value) {
            unsigned long long seconds = strtoull(argv[++i], NULL, 10);
            patience = (seconds < 1000000 ? seconds : 1000000) * SECOND;
        } else if (argv[i][0] != '-' && *address == NULL) {
            *address = argv[i];
        } else {
            return false;
        }
    }
    config->handshake_timeout_ns = patience;
    return true;
}

int main(int argc, char **argv)
{
    const char *address = NULL;
    struct sigaction action = {.sa_handler = stop};
    sigset_t blocked, before;
    sockeye_config config;
    sockeye_result result;

    sockeye_config_init(&config, sizeof config);
    config.max_head_len = HEAD_LEN;
    config.ping_interval_ns = 60 * SECOND;
    config.deflate = 1;
    if (!configure(argc, argv, &address, &config)) {
        fprintf(stderr, "usage: echo_server [ADDR:PORT] [--max-message BYTES] [--patience SECONDS]\n");
        return 2;
    }
    if (address == NULL)
        address = "127.0.0.1:9001";
    result = sockeye_settings_new(&config, &settings);
    if (result != SOCKEYE_OK) {
        fprintf(stderr, "echo_server: %s\n", sockeye_result_text(result));
        return 1;
    }
    /* The longest piece is a read, or the frames that came early behind a head. */
    room = sockeye_output_bound(READ_LEN + HEAD_LEN);
    out.capacity = 2 * room;
    out.data = checked(malloc(out.capacity));

    /* Signals come while waiting, and at no other time. */
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    poller = epoll_create1(EPOLL_CLOEXEC);
    listener = listen_on(address);
    if (poller < 0 || listener < 0) {
        fprintf(stderr, "echo_server: %s: %s\n", address, strerror(errno));
        return 1;
    }
    watch_listener(EPOLLIN, EPOLL_CTL_ADD);
    serve(&before);

    close(listener);
    close(poller);
    free(out.data);
    sockeye_settings_free(settings);
    return 0;
}
