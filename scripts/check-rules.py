"""The checks of scripts/check-rules: FOLDER with rules, FOLDER with the providers' types."""

import csv
import glob
import html.parser
import json
import re
import sys
import unicodedata

import kubernetes_validate
import markdown_it
import tree_sitter
import tree_sitter_powershell

samples, providers = sys.argv[1:3]


def read(name):
    with open(f"{samples}/{name}", encoding="utf-8", newline="") as file:
        return file.read()


def checked(what, count):
    assert count > 0, what
    print(f"{what}: {count}")


def kubernetes():
    items = json.loads(read("portico-network-policies.json"))["items"]
    for item in items:
        for version in (kubernetes_validate.latest_version(), "1.30"):
            kubernetes_validate.validate(item, version, strict=True)
    # The check is able to fail.
    broken = json.loads(json.dumps(items[0]))
    broken["spec"]["ingres"] = []
    try:
        kubernetes_validate.validate(broken, "1.30", strict=True)
    except kubernetes_validate.ValidationError:
        checked("network policies that hold to the schema of Kubernetes", len(items))
        return
    raise AssertionError("a broken policy was taken")


def powershell():
    language = tree_sitter.Language(tree_sitter_powershell.language())
    parser = tree_sitter.Parser(language)
    known = {
        "New-NetFirewallRule",
        "Get-NetFirewallRule",
        "Remove-NetFirewallRule",
        "Set-NetFirewallProfile",
        "Out-Null",
    }
    scripts = sorted(glob.glob(f"{samples}/*.ps1"))

    def commands(node):
        if node.type == "command_name":
            yield node.text.decode()
        # A string in which something is expanded would have children of its own.
        assert node.type not in ("sub_expression", "script_block_expression"), node.text
        for child in node.children:
            yield from commands(child)

    for script in scripts:
        with open(script, "rb") as file:
            tree = parser.parse(file.read())
        assert not tree.root_node.has_error, script
        used = set(commands(tree.root_node))
        assert used <= known and "Set-NetFirewallProfile" in used, (script, used)
    assert parser.parse(b"New-NetFirewallRule -Name 'a").root_node.has_error
    checked("PowerShell scripts that parse, with no command but their own", len(scripts))


def terraform(file, provider, kinds):
    rules = json.loads(read(file))
    count = 0
    for kind, folder in kinds.items():
        with open(f"{providers}/{provider}/package/lib/{folder}/index.d.ts", encoding="utf-8") as types:
            body = re.search(r"interface \w+Config extends.*?\n}", types.read(), re.S).group(0)
        fields = dict(re.findall(r"readonly (\w+)(\??):", body))
        camel = lambda name: re.sub(r"_(\w)", lambda found: found.group(1).upper(), name)
        for name, resource in rules["resource"].get(kind, {}).items():
            assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_-]*", name), name
            given = {camel(key) for key in resource}
            assert given <= set(fields), (name, given - set(fields))
            required = {field for field, optional in fields.items() if not optional}
            assert required <= given, (name, required - given)
            count += 1
    unknown = set(rules["resource"]) - set(kinds)
    assert not unknown, unknown
    checked(f"resources of {file} with the attributes that the provider has", count)


def tables():
    rows = list(csv.reader(read("portico-rules.csv").splitlines(keepends=True), strict=True))
    assert all(len(row) == 9 for row in rows), rows
    for cell in (cell for row in rows for cell in row):
        assert not cell.lstrip().startswith(("=", "+", "-", "@")), cell
        assert not any(unicodedata.category(c) in ("Cc", "Cf") for c in cell), cell
    checked("lines of CSV with nine cells each", len(rows))

    tokens = markdown_it.MarkdownIt("gfm-like", {"linkify": False}).parse(read("portico-rules.md"))
    widths, width = set(), 0
    for token in tokens:
        assert token.type not in ("html_block", "fence", "code_block"), token
        for inner in token.children or []:
            assert inner.type in ("text", "softbreak", "strong_open", "strong_close", "text_special"), inner
        if token.type == "tr_open":
            width = 0
        elif token.type in ("td_open", "th_open"):
            width += 1
        elif token.type == "tr_close":
            widths.add(width)
    assert widths == {7}, widths
    checked("tables of Markdown with seven columns", sum(token.type == "table_open" for token in tokens))

    class Page(html.parser.HTMLParser):
        open_tags, tables = [], 0

        def handle_starttag(self, tag, attrs):
            assert tag in "html head meta title style body h1 h2 p div table thead tbody tr th td bdi".split(), tag
            assert not any(name.startswith("on") for name, _ in attrs), attrs
            if tag != "meta":
                self.open_tags.append(tag)
            self.tables += tag == "table"

        def handle_endtag(self, tag):
            assert self.open_tags.pop() == tag, tag

    page = Page()
    page.feed(read("portico-rules.html"))
    page.close()
    assert not page.open_tags
    checked("tables of HTML, all tags closed and none of a name", page.tables)


kubernetes()
powershell()
terraform(
    "portico-aws.tf.json",
    "provider-aws",
    {
        "aws_security_group": "security-group",
        "aws_vpc_security_group_ingress_rule": "vpc-security-group-ingress-rule",
        "aws_vpc_security_group_egress_rule": "vpc-security-group-egress-rule",
    },
)
terraform(
    "portico-azure.tf.json",
    "provider-azurerm",
    {
        "azurerm_network_security_group": "network-security-group",
        "azurerm_network_security_rule": "network-security-rule",
    },
)
tables()
