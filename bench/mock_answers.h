/* What the mock says: fixed, and small enough to read. */
#ifndef BENCH_MOCK_ANSWERS_H
#define BENCH_MOCK_ANSWERS_H

static const char COMPLETION[] =
    "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"gpt-bench\","
    "\"choices\":[{\"index\":0,"
    "\"message\":{\"role\":\"assistant\",\"content\":\"A switchgear is the set of switches, breakers and meters that "
    "stands between a power "
    "station and the people who use it. It protects the line when something goes wrong, it isolates the part that "
    "failed so that the rest "
    "goes on, and it measures what passes through, so that the bill at the end of the month can be believed by both "
    "sides. The oldest ones "
    "were open knife switches on slabs of slate; today the contacts sit in vacuum or in gas, and the whole station is "
    "steered from afar. "
    "What has not changed is the purpose: nobody should have to think about it until the day it saves the house, and "
    "on that day it has to "
    "work at once, without asking anyone first, and leave a record that says what "
    "happened.\",\"refusal\":null},\"logprobs\":null,"
    "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":240,\"completion_tokens\":150,\"total_tokens\":390},"
    "\"system_fingerprint\":\"fp_bench\"}";

static const char MODELS[] = "{\"object\":\"list\",\"data\":[{\"id\":\"gpt-bench\",\"object\":\"model\",\"created\":"
                             "1700000000,\"owned_by\":\"bench\"}]}";

static const char MESSAGE[] =
    "{\"id\":\"msg_bench\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-bench\",\"content\":[{\"type\":\"text\","
    "\"text\":\"A switchgear is the set of switches, breakers and meters that stands between a power station and the people "
    "who use it. It protects the line when something goes wrong, it isolates the part that failed so that the rest goes "
    "on, and it measures what passes through, so that the bill at the end of the month can be believed by both sides. "
    "The oldest ones were open knife switches on slabs of slate; today the contacts sit in vacuum or in gas, and the whole "
    "station is steered from afar. What has not changed is the purpose: nobody should have to think about it until the "
    "day it saves the house, and on that day it has to work at once, without asking anyone first, and leave a record that "
    "says what happened.\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":240,"
    "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":150,\"service_tier\":\"standard\"}}";

static const char STREAM_HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: "
                                  "no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";

#endif
