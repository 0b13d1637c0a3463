"""A tool that failed, told in dialects that have no flag for it."""

import pytest

from switchgear.kernel.chat import File, Image, Media, Text, ToolResult
from switchgear.wire.openai_chat_parts import told_result

Content = tuple[Text | Image | File, ...]
PICTURE = Image(source=Media(url="https://example.com/a.png"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ((Text(text="no such city"),), (Text(text="Error: no such city"),)),
        ((Text(text="no such city", cache="5m"), PICTURE), (Text(text="Error: no such city", cache="5m"), PICTURE)),
        ((), (Text(text="Error"),)),
        ((PICTURE,), (Text(text="Error"), PICTURE)),
        ((Text(text="error 404"),), (Text(text="error 404"),)),
        ((Text(text=" ERROR: none"),), (Text(text=" ERROR: none"),)),
    ],
)
def test_the_text_of_the_result_says_so_once(content: Content, told: Content) -> None:
    assert told_result(ToolResult(call_id="c", content=content, is_error=True)) == told
    assert told_result(ToolResult(call_id="c", content=content)) == content
