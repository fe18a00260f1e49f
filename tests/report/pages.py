"""A report as its elements, texts and data, for tests that read it."""

import json
from html.parser import HTMLParser

LONG_NAME = "shallow-with-a-rather-long-name-of-its-own"
VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """The elements of a page, its text, and whether its tags match."""

    def __init__(self, text):
        super().__init__()
        self.source, self.elements, self.open, self.text, self.script = text, [], [], [], ""
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)

    def words(self):
        return " ".join(" ".join(self.text).split())

    def cells(self, **attributes):
        wanted = {f"data-{key}": value for key, value in attributes.items()}
        return [found for tag, found in self.elements if tag == "td" and wanted.items() <= found.items()]

    def json(self, identifier):
        start = self.source.index(f'id="{identifier}">') + len(f'id="{identifier}">')
        return json.loads(self.source[start : self.source.index("</script>", start)])
