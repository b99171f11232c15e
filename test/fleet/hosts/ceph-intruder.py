"""Someone who has a host's CephX key, with Ceph's own library: arguments MONITORS USER POOL.

The first line of standard input is the key; each further one a JSON attempt, each line of standard output what came of
it: "done", or the name of the error. The connection stays open between attempts.
"""

import errno
import json
import sys

import rados
import rbd

monitors, user, pool = sys.argv[1:4]
settings = {
    "mon_host": monitors,
    "key": sys.stdin.readline().strip(),
    "client_mount_timeout": "20",
    "rados_osd_op_timeout": "20",
    "rados_mon_op_timeout": "20",
    "admin_socket": "",
    "log_file": "",
}


def say(text):
    print(text, flush=True)


def write(ioctx, attempt):
    ioctx.write_full(attempt["object"], b"intruded")


def read(ioctx, attempt):
    ioctx.read(attempt["object"])


def objects(ioctx, _attempt):
    # The library ends a refused list without an error.
    if not list(ioctx.list_objects()):
        raise PermissionError(errno.EPERM, "nothing is listed")


def open_image(ioctx, attempt):
    with rbd.Image(ioctx, attempt["image"]) as image:
        image.read(0, 512)


def images(ioctx, _attempt):
    rbd.RBD().list(ioctx)


def command(_ioctx, attempt):
    body = json.dumps(attempt["command"])
    target = {"target": "a"} if attempt.get("monitor") else {}
    code, _, _ = cluster.mon_command(body, b"", **target)
    if code != 0:
        raise OSError(-code, "refused")


attempts = {"write": write, "read": read, "objects": objects, "open": open_image, "images": images, "command": command}


def name_of(error):
    return errno.errorcode.get(getattr(error, "errno", None) or 0, type(error).__name__)


try:
    cluster = rados.Rados(rados_id=user, conf=settings)
    cluster.connect(timeout=20)
except Exception as error:
    say(name_of(error))
    sys.exit(1)
say("connected")
for line in sys.stdin:
    attempt = json.loads(line)
    try:
        with cluster.open_ioctx(pool) as ioctx:
            ioctx.set_namespace(attempt.get("namespace", ""))
            attempts[attempt["do"]](ioctx, attempt)
        say("done")
    except Exception as error:
        say(name_of(error))
