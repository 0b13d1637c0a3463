"""Langfuse's SDK: the connection checked, scores given and read back, a picture brought."""

import base64
import os
from threading import Event

from langfuse import Langfuse
from langfuse.media import LangfuseMedia

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)

langfuse = Langfuse(
    public_key="pk-of-nobody", secret_key=os.environ["SWITCHGEAR_KEY"], base_url=os.environ["SWITCHGEAR_URL"]
)
assert langfuse.auth_check()
langfuse.create_score(name="accuracy", value=0.75, trace_id=TRACE, comment="close", score_id="s-1")
langfuse.create_score(name="mood", value="glad", trace_id=TRACE, observation_id=SPAN, data_type="CATEGORICAL")
langfuse.create_score(name="sound", value=1, session_id="chat-7", data_type="BOOLEAN")
langfuse.flush()
for _ in range(100):
    found = langfuse.api.scores.get_many(limit=10, fields="details,subject").data
    if len(found) == 3:
        break
    Event().wait(0.05)
by_name = {score.name: score for score in found}
assert by_name["accuracy"].value == 0.75, found
assert by_name["mood"].value == "glad"
assert by_name["sound"].value is True
with langfuse.start_as_current_observation(name="look", as_type="generation", model="gpt-x") as span:
    span.update(input={"picture": LangfuseMedia(content_bytes=PICTURE, content_type="image/png")}, output="a dot")
langfuse.flush()
langfuse.shutdown()
name = LangfuseMedia(content_bytes=PICTURE, content_type="image/png")._media_id
print(langfuse.api.media.get(name).url)
