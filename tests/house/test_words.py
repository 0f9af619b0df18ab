"""What our files say: nothing of one machine, no links that lead nowhere."""

import re

# Put together from halves, or this file would be found itself.
ONE_MACHINE = re.compile(
    r"(?<![\w.*-])/(?:" + "|".join(["wo" + "rk/", "ro" + "ot/", "tmp/" + "w/", "home/" + r"\w", "Us" + r"ers/\w"]) + ")"
    r"|index-" + r"url|find-" + r"links|py" + r"pi\.|files\.python" + "hosted"
)
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_no_file_names_places_of_one_machine(our_files, root):
    found = [
        f"{path.relative_to(root)}:{number}: {line.strip()[:100]}"
        for path in our_files
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if ONE_MACHINE.search(line)
    ]
    assert not found, "\n".join(found)


def test_links_between_pages_lead_to_files(our_files, root):
    broken = [
        f"{page.relative_to(root)}: {target}"
        for page in our_files
        if page.suffix == ".md"
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists()
    ]
    assert not broken, "\n".join(broken)
