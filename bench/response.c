#define _GNU_SOURCE
#include "response.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void response_reset(struct response *response, data_line_callback on_data_line, void *owner) {
    response->state = IN_HEAD;
    response->status = 0;
    response->keep_alive = true;
    response->saw_done = false;
    response->remaining = 0;
    response->head_length = 0;
    response->line_length = 0;
    response->on_data_line = on_data_line;
    response->owner = owner;
}

static const char *header_value(const struct response *response, const char *name) {
    size_t name_length = strlen(name);
    const char *line = strstr(response->head, "\r\n");
    while (line != NULL) {
        line += 2;
        if (strncasecmp(line, name, name_length) == 0 && line[name_length] == ':') {
            return line + name_length + 1 + strspn(line + name_length + 1, " \t");
        }
        line = strstr(line, "\r\n");
    }
    return NULL;
}

static void read_head(struct response *response) {
    if (strncmp(response->head, "HTTP/1.", 7) != 0 || response->head_length < 12) {
        response->state = MALFORMED;
        return;
    }
    response->status = atoi(response->head + 9);
    const char *connection = header_value(response, "connection");
    response->keep_alive = connection == NULL || strncasecmp(connection, "close", 5) != 0;
    const char *encoding = header_value(response, "transfer-encoding");
    const char *length = header_value(response, "content-length");
    if (response->status / 100 == 1) {
        response->head_length = 0;
    } else if (encoding != NULL && strncasecmp(encoding, "chunked", 7) == 0) {
        response->state = IN_CHUNK_SIZE;
    } else if (length != NULL) {
        response->remaining = strtoul(length, NULL, 10);
        response->state = response->remaining > 0 ? IN_SIZED_BODY : COMPLETE;
    } else {
        response->state = UNTIL_CLOSE;
        response->keep_alive = false;
    }
}

static size_t feed_head(struct response *response, const char *bytes, size_t size) {
    size_t before = response->head_length;
    size_t room = HEAD_CAPACITY - before;
    size_t taken = size < room ? size : room;
    memcpy(response->head + before, bytes, taken);
    size_t search_from = before < 3 ? 0 : before - 3;
    char *end = memmem(response->head + search_from, before + taken - search_from, "\r\n\r\n", 4);
    if (end == NULL) {
        response->head_length = before + taken;
        if (response->head_length == HEAD_CAPACITY) {
            response->state = MALFORMED;
        }
        return taken;
    }
    response->head_length = (size_t)(end - response->head) + 4;
    response->head[response->head_length] = 0;
    size_t consumed = response->head_length - before;
    read_head(response);
    return consumed;
}

static void finish_line(struct response *response) {
    response->line[response->line_length] = 0;
    response->line_length = 0;
    if (strncmp(response->line, "data:", 5) != 0) {
        return;
    }
    const char *data = response->line + 5 + strspn(response->line + 5, " ");
    if (strncmp(data, "[DONE]", 6) == 0) {
        response->saw_done = true;
    } else {
        response->on_data_line(response->owner, data);
    }
}

static void scan_lines(struct response *response, const char *bytes, size_t size) {
    while (response->on_data_line != NULL && size > 0) {
        const char *newline = memchr(bytes, '\n', size);
        size_t part = newline == NULL ? size : (size_t)(newline - bytes);
        size_t room = LINE_CAPACITY - response->line_length;
        size_t kept = part < room ? part : room;
        memcpy(response->line + response->line_length, bytes, kept);
        response->line_length += kept;
        if (newline == NULL) {
            return;
        }
        finish_line(response);
        bytes += part + 1;
        size -= part + 1;
    }
}

/* Chunk sizes and trailers are a handful of bytes: they are collected in `head`, which the body no longer needs. */
static size_t feed_framing_line(struct response *response, const char *bytes, size_t size) {
    const char *newline = memchr(bytes, '\n', size);
    size_t taken = newline == NULL ? size : (size_t)(newline - bytes) + 1;
    size_t room = HEAD_CAPACITY - response->head_length;
    size_t kept = taken < room ? taken : room;
    memcpy(response->head + response->head_length, bytes, kept);
    response->head_length += kept;
    if (newline == NULL) {
        return taken;
    }
    response->head[response->head_length] = 0;
    bool blank = response->head[0] == '\r' || response->head[0] == '\n';
    if (response->state == AFTER_CHUNK_DATA) {
        response->state = blank ? IN_CHUNK_SIZE : MALFORMED;
    } else if (response->state == IN_TRAILER) {
        response->state = blank ? COMPLETE : IN_TRAILER;
    } else {
        char *end = response->head;
        response->remaining = strtoul(response->head, &end, 16);
        bool number = end != response->head;
        response->state = !number ? MALFORMED : response->remaining == 0 ? IN_TRAILER : IN_CHUNK_DATA;
    }
    response->head_length = 0;
    return taken;
}

static size_t feed_body(struct response *response, const char *bytes, size_t size) {
    size_t taken = response->state == UNTIL_CLOSE || size < response->remaining ? size : response->remaining;
    scan_lines(response, bytes, taken);
    if (response->state == UNTIL_CLOSE) {
        return taken;
    }
    response->remaining -= taken;
    if (response->remaining == 0) {
        response->state = response->state == IN_SIZED_BODY ? COMPLETE : AFTER_CHUNK_DATA;
    }
    return taken;
}

void response_feed(struct response *response, const char *bytes, size_t size) {
    while (size > 0 && response->state != MALFORMED) {
        size_t taken = 0;
        switch (response->state) {
        case IN_HEAD:
            taken = feed_head(response, bytes, size);
            if (response->state != IN_HEAD) {
                response->head_length = 0;
            }
            break;
        case IN_CHUNK_SIZE:
        case AFTER_CHUNK_DATA:
        case IN_TRAILER: taken = feed_framing_line(response, bytes, size); break;
        case IN_SIZED_BODY:
        case IN_CHUNK_DATA:
        case UNTIL_CLOSE: taken = feed_body(response, bytes, size); break;
        default: response->state = MALFORMED;
        }
        bytes += taken;
        size -= taken;
    }
}

bool response_end_of_input(struct response *response) {
    if (response->state == UNTIL_CLOSE) {
        response->state = COMPLETE;
    }
    return response->state == COMPLETE;
}
