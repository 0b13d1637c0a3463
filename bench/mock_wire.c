#include "mock_wire.h"

#include "mock_answers.h"

#include <stdio.h>
#include <string.h>

#define CHUNK_START                                                                                                    \
    "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"gpt-bench\","  \
    "\"choices\":"

static int openai_chunk(char *event, size_t capacity, bool first, bool last, long long stamp) {
    return snprintf(
        event, capacity,
        "data: " CHUNK_START
        "[{\"index\":0,\"delta\":{%s\"content\":\"@%019lld and a word\"},\"logprobs\":null,\"finish_reason\":%s}]}\n\n",
        first ? "\"role\":\"assistant\"," : "", stamp, last ? "\"stop\"" : "null");
}

static int anthropic_chunk(char *event, size_t capacity, bool first, bool last, long long stamp) {
    (void)first;
    (void)last;
    return snprintf(event, capacity,
                    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
                    "\"text_delta\",\"text\":\"@%019lld and a word\"}}\n\n",
                    stamp);
}

static const struct wire OPENAI = {
    .path = "/v1/chat/completions",
    .answer = COMPLETION,
    .ending = {"data: " CHUNK_START
               "[],\"usage\":{\"prompt_tokens\":240,\"completion_tokens\":60,\"total_tokens\":300}}\n\n",
               "data: [DONE]\n\n"},
    .chunk = openai_chunk,
};

static const struct wire ANTHROPIC = {
    .path = "/v1/messages",
    .answer = MESSAGE,
    .opening = {"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_bench\",\"type\":\"message\","
                "\"role\":\"assistant\",\"model\":\"claude-bench\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,"
                "\"usage\":{\"input_tokens\":240,\"output_tokens\":1}}}\n\n",
                "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":"
                "\"text\",\"text\":\"\"}}\n\n"},
    .ending = {"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
               "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
               "\"stop_sequence\":null},\"usage\":{\"output_tokens\":60}}\n\n",
               "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"},
    .chunk = anthropic_chunk,
};

const struct wire *wire_of(const char *head) {
    const char *path = strchr(head, ' ');
    return path != NULL && strncmp(path + 1, ANTHROPIC.path, strlen(ANTHROPIC.path)) == 0 ? &ANTHROPIC : &OPENAI;
}
