/* The event loop of the load generator; load.c has the theory. */
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { SWEEP_NS = 10 * 1000 * 1000, LATE_NS = 1000 * 1000, EVENTS = 256, READ_SIZE = 65536 };
#define NS_PER_SECOND 1000000000LL

static int64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

static bool in_window(const struct load *load, int64_t moment) {
    return moment >= load->window_from && moment < load->window_to;
}

/* A closed loop measures what happens in the window; an open one what is due in it, however late it comes. */
static bool is_measured(const struct load *load, int64_t intended) {
    return in_window(load, load->options.saturate ? load->now : intended);
}

static void disconnect(struct connection *connection) {
    if (connection->fd >= 0) {
        close(connection->fd);
        connection->fd = -1;
    }
}

/* Loopback connects at once or not at all, so connecting may block; everything after it may not. */
static void connect_to_subject(struct connection *connection) {
    struct load *load = connection->load;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)load->options.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        load->errors[CONNECT_FAILED]++;
        load->error_total++;
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = connection};
    epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event);
    connection->fd = fd;
    load->idle[load->idle_count++] = connection;
}

static void drop_idle(struct connection *connection) {
    struct load *load = connection->load;
    for (int i = 0; i < load->idle_count; i++) {
        if (load->idle[i] == connection) {
            load->idle[i] = load->idle[--load->idle_count];
            break;
        }
    }
    disconnect(connection);
}

static void log_outcome(const struct connection *connection, const char *outcome) {
    const struct load *load = connection->load;
    if (load->options.log != NULL) {
        fprintf(load->options.log, "%lld %lld %s\n", (long long)connection->intended,
                (long long)(load->now - connection->intended), outcome);
    }
}

static void fail(struct connection *connection, enum error_kind kind) {
    log_outcome(connection, ERROR_NAMES[kind]);
    connection->load->errors[kind]++;
    connection->load->error_total++;
    connection->load->busy_count--;
    connection->busy = false;
    disconnect(connection);
}

/* The mock stamps each chunk with the time it wrote it, as `@<ns>` at the start of the text. */
static void saw_data_line(void *owner, const char *line) {
    struct connection *connection = owner;
    struct load *load = connection->load;
    if (connection->chunks++ == 0 && in_window(load, connection->intended)) {
        samples_add(&load->first_chunk, load->now - connection->intended);
    }
    const char *stamp = strstr(line, "\"@");
    if (stamp != NULL && is_measured(load, connection->intended)) {
        samples_add(&load->chunk_lag, load->now - strtoll(stamp + 2, NULL, 10));
    }
}

static void write_request(struct connection *connection) {
    struct load *load = connection->load;
    while (connection->written < load->request_length) {
        ssize_t sent = send(connection->fd, load->request + connection->written,
                            load->request_length - connection->written, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN) {
                fail(connection, CUT_SHORT);
            }
            return;
        }
        connection->written += (size_t)sent;
    }
}

static void start_request(struct connection *connection, int64_t intended) {
    connection->busy = true;
    connection->intended = intended;
    connection->sent_at = connection->load->now;
    connection->chunks = 0;
    connection->written = 0;
    connection->load->busy_count++;
    response_reset(&connection->response, connection->load->options.stream ? saw_data_line : NULL, connection);
    write_request(connection);
}

static void finish_request(struct connection *connection) {
    struct load *load = connection->load;
    if (connection->response.status / 100 != 2) {
        fail(connection, NOT_2XX);
        return;
    }
    if (load->options.stream && !load->options.leave && !connection->response.saw_done) {
        fail(connection, NO_DONE);
        return;
    }
    log_outcome(connection, "ok");
    load->completed_total++;
    load->chunks_total += connection->chunks;
    load->in_window += in_window(load, load->now);
    if (is_measured(load, connection->intended)) {
        samples_add(&load->latency, load->now - connection->intended);
    }
    load->busy_count--;
    connection->busy = false;
    if (connection->response.keep_alive && !load->options.leave) {
        load->idle[load->idle_count++] = connection;
    } else {
        disconnect(connection);
    }
}

static void input_ended(struct connection *connection) {
    if (!connection->busy) {
        drop_idle(connection);
    } else if (response_end_of_input(&connection->response)) {
        finish_request(connection);
    } else {
        fail(connection, CUT_SHORT);
    }
}

static void read_response(struct connection *connection, bool ended) {
    char buffer[READ_SIZE];
    while (connection->fd >= 0) {
        ssize_t size = recv(connection->fd, buffer, sizeof buffer, 0);
        if (size < 0 && errno == EAGAIN) {
            return;
        }
        if (size <= 0) {
            input_ended(connection);
            return;
        }
        if (!connection->busy) {
            drop_idle(connection);
            return;
        }
        response_feed(&connection->response, buffer, (size_t)size);
        if (connection->response.state == MALFORMED) {
            fail(connection, NOT_HTTP);
        } else if (connection->response.state == COMPLETE || (connection->load->options.leave && connection->chunks > 0)) {
            finish_request(connection);
        }
        if (!ended && size < (ssize_t)sizeof buffer) {
            return; /* edge-triggered: a short read means the socket was empty, and more bytes will be a new edge */
        }
    }
}

static int64_t due_at(const struct load *load, int64_t index) {
    return load->started + (int64_t)((double)index * (double)NS_PER_SECOND / load->options.rate);
}

static void send_on_schedule(struct load *load) {
    for (int64_t due = due_at(load, load->next_index); due <= load->now && due < load->window_to;
         due = due_at(load, load->next_index)) {
        if (load->idle_count == 0) {
            load->starved_at = load->now;
            return;
        }
        int64_t late = load->now - due;
        if (due <= load->starved_at) {
            load->waited++;
        } else if (late > LATE_NS) {
            load->late++;
            load->late_max = late > load->late_max ? late : load->late_max;
        }
        load->next_index++;
        start_request(load->idle[--load->idle_count], due);
    }
}

static void send_when_free(struct load *load) {
    while (load->idle_count > 0 && load->now < load->window_to) {
        start_request(load->idle[--load->idle_count], load->now);
    }
}

static void sweep(struct load *load) {
    load->last_sweep = load->now;
    for (int i = 0; i < load->options.connections; i++) {
        struct connection *connection = &load->connections[i];
        if (connection->busy && load->now - connection->sent_at > load->options.timeout_ms * 1000000LL) {
            fail(connection, TIMED_OUT);
        }
        if (connection->fd < 0 && load->now < load->window_to) {
            connect_to_subject(connection);
        }
    }
}

static void mark_window(struct load *load) {
    if (!load->usage_started && load->now >= load->window_from) {
        load->usage_started = true;
        getrusage(RUSAGE_SELF, &load->usage_from);
    }
    if (!load->usage_ended && load->now >= load->window_to) {
        load->usage_ended = true;
        getrusage(RUSAGE_SELF, &load->usage_to);
    }
}

static void wait_and_read(struct load *load) {
    int64_t wake = load->now + SWEEP_NS;
    if (!load->options.saturate && load->idle_count > 0) {
        int64_t due = due_at(load, load->next_index);
        wake = due < wake ? due : wake;
    }
    int64_t pause = wake > load->now ? wake - load->now : 0;
    struct timespec timeout = {.tv_sec = pause / NS_PER_SECOND, .tv_nsec = pause % NS_PER_SECOND};
    struct epoll_event events[EVENTS];
    int count = epoll_pwait2(load->epoll, events, EVENTS, &timeout, NULL);
    load->now = clock_ns();
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (connection->busy && connection->fd >= 0 && (events[i].events & EPOLLOUT)) {
            write_request(connection);
        }
        if (connection->fd >= 0 && (events[i].events & ~(uint32_t)EPOLLOUT)) {
            load->now = clock_ns();
            read_response(connection, (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
        }
    }
}

static bool all_sent(const struct load *load) {
    return load->now >= load->window_to &&
           (load->options.saturate || due_at(load, load->next_index) >= load->window_to);
}

/* What was due in the window and is still unanswered counts with the time it has waited so far: leaving it out would
 * flatter. */
static void count_unfinished(struct load *load) {
    for (int i = 0; i < load->options.connections; i++) {
        struct connection *connection = &load->connections[i];
        if (connection->busy && in_window(load, connection->intended)) {
            load->unfinished++;
            samples_add(&load->latency, load->now - connection->intended);
        }
    }
    for (int64_t due = due_at(load, load->next_index); !load->options.saturate && due < load->window_to;
         due = due_at(load, ++load->next_index)) {
        load->unfinished += in_window(load, due);
        if (in_window(load, due)) {
            samples_add(&load->latency, load->now - due);
        }
    }
}

static void open_window(struct load *load) {
    load->window_to = INT64_MAX;
    load->now = clock_ns();
    sweep(load);
    load->now = load->started = clock_ns();
    load->starved_at = -1;
    load->window_from = load->started + (int64_t)(load->options.warmup * (double)NS_PER_SECOND);
    load->window_to = load->window_from + (int64_t)(load->options.seconds * (double)NS_PER_SECOND);
    load->deadline = load->window_to + (int64_t)(load->options.drain * (double)NS_PER_SECOND);
}

void load_run(struct load *load) {
    open_window(load);
    while (load->now < load->deadline && !(all_sent(load) && load->busy_count == 0)) {
        mark_window(load);
        if (load->options.saturate) {
            send_when_free(load);
        } else {
            send_on_schedule(load);
        }
        wait_and_read(load);
        if (load->now - load->last_sweep > SWEEP_NS) {
            sweep(load);
        }
    }
    mark_window(load);
    count_unfinished(load);
}
