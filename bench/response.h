/* An incremental reader of one HTTP/1.1 response, fed with whatever bytes a socket had to give. */
#ifndef BENCH_RESPONSE_H
#define BENCH_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEAD_CAPACITY = 16384, LINE_CAPACITY = 512 };

enum response_state {
    IN_HEAD,
    IN_SIZED_BODY,
    IN_CHUNK_SIZE,
    IN_CHUNK_DATA,
    AFTER_CHUNK_DATA,
    IN_TRAILER,
    UNTIL_CLOSE,
    COMPLETE,
    MALFORMED
};

/* Called for each `data:` line of a server-sent event stream; `line` is cut at LINE_CAPACITY bytes and ends with a 0.
 */
typedef void (*data_line_callback)(void *owner, const char *line);

struct response {
    enum response_state state;
    int status;
    bool keep_alive;
    bool saw_done; /* the stream ended with `data: [DONE]` */
    size_t remaining;
    size_t head_length;
    size_t line_length;
    data_line_callback on_data_line; /* null: the body is counted, not looked at */
    void *owner;
    char head[HEAD_CAPACITY + 1];
    char line[LINE_CAPACITY + 1];
};

void response_reset(struct response *response, data_line_callback on_data_line, void *owner);

/* Reads `size` bytes; the caller looks at `state` afterwards. Bytes after the end make the response MALFORMED:
 * nobody pipelines here, so they can only be a framing mistake of the subject. */
void response_feed(struct response *response, const char *bytes, size_t size);

/* The peer closed: true when that was the proper end of this response. */
bool response_end_of_input(struct response *response);

#endif
