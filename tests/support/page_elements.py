"""A page as a parser sees it."""

import base64
import gzip
import json
from html.parser import HTMLParser

LIBRARY = "/* a stand-in for plotly.js */"


class Elements(HTMLParser):
    """Collects ids, tags with attributes, and text outside scripts and styles."""

    def __init__(self, page):
        super().__init__()
        self.ids, self.tags, self.text, self.scripts, self._inside = [], [], [], [], None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        if "id" in attrs:
            self.ids.append(attrs["id"])
        self._inside = tag if tag in ("script", "style") else self._inside
        if tag == "script":
            self.scripts.append([attrs, ""])

    def handle_endtag(self, tag):
        self._inside = None if tag == self._inside else self._inside

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1][1] += data
        elif self._inside is None:
            self.text.append(data)


def block(parsed, name):
    """A data block of the page, unpacked as its script does."""
    text = next(text for attrs, text in parsed.scripts if attrs.get("id") == name)
    packed = text.removeprefix("gzip:")
    return json.loads(text if packed == text else gzip.decompress(base64.b64decode(packed)))
