# SPDX-License-Identifier: MIT
"""
Reads what strace wrote, and judges whether a message was on disk before the server said 250. Each call has the numbers of the lines in which
it began and returned, so "before" means: returned before the other one began.
"""

import os
import re
from collections import namedtuple

CALLS = "openat,creat,rename,renameat,renameat2,link,linkat,write,writev,pwrite64,pwritev,sendto,sendmsg,fsync,fdatasync"
WHOLE = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)")
BEGUN = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+|\?)")
PATH = re.compile(r"^-?\w+<([^>]*)>")

Call = namedtuple("Call", "begin end thread name arguments result path")


def read(lines):
    """The calls of a trace that returned."""
    calls, open_calls = [], {}
    for number, line in enumerate(lines):
        if match := BEGUN.match(line):
            open_calls[match[1]] = (number, match[2], match[3])
        elif match := RESUMED.match(line):
            begin, name, arguments = open_calls.pop(match[1])
            calls.append(make(begin, number, match[1], name, arguments + match[3], match[4]))
        elif match := WHOLE.match(line):
            calls.append(make(number, number, *match.groups()))
    return calls


def make(begin, end, thread, name, arguments, result):
    path = PATH.match(arguments)
    return Call(begin, end, thread, name, arguments, int(result) if result != "?" else -1, path[1] if path else "")


def syncs(calls, path, after, before):
    """Successful syncs of a file or folder that began after and returned before these lines."""
    return [call for call in calls if call.name in ("fsync", "fdatasync") and call.path == path and call.result == 0
            and call.begin > after and call.end < before]


def writes(calls, text, path_ends):
    return [call for call in calls if call.name in ("write", "writev", "pwrite64", "pwritev", "sendto", "sendmsg")
            and text in call.arguments and path_ends(call.path)]


def is_wal(path):
    return path.endswith(".db-wal")


def is_body(path):
    return path.startswith("/") and not re.search(r"\.db(-wal|-shm|-journal)?$", path) and "/log/" not in path


def judge(calls, queue_id, mark, large):
    """What is wrong about the way of one message; mark is a text in its body, large says that it has a file of its own."""
    replies = writes(calls, "OK id=" + queue_id, lambda path: path.startswith("socket:"))
    if len(replies) != 1:
        return ["%d replies" % len(replies)]
    reply = replies[0].begin
    row = [call for call in writes(calls, queue_id if large else mark, is_wal) if call.end < reply]
    if not row:
        return ["nothing was written to the database before the reply"]
    commits = syncs(calls, row[0].path, row[0].end, reply)
    if not commits:
        return ["the database was not synced before the reply"]
    return judge_body(calls, mark, commits[-1].begin) if large else []


def judge_body(calls, mark, commit):
    """The body's file: its bytes, and its name in the folder, are on disk before the commit's sync begins."""
    marked = writes(calls, mark, is_body)
    if not marked:
        return ["no body file was written"]
    path = marked[0].path
    last = max(call.end for call in calls if call.path == path and call.name.startswith(("write", "pwrite")))
    problems = []
    if not syncs(calls, path, last, commit):
        problems.append("the body file was not synced before the commit")
    names = [call for call in calls if call.end < commit and os.path.basename(path) in call.arguments and call.result >= 0
             and (call.name.startswith(("rename", "link")) or call.name in ("openat", "creat") and "O_CREAT" in call.arguments)]
    if not names:
        problems.append("the body file's name was not made before the commit")
    elif not syncs(calls, os.path.dirname(path), names[-1].end, commit):
        problems.append("the body file's folder was not synced before the commit")
    return problems
