"""A connection to one Ceph pool for the server, which has no binding of librados of its own.

Arguments: CONF KEYRING NAME POOL (paths and names; the key is in the keyring). Each line of standard input is a JSON
request {"id", "ask", ...}; each line of standard output its answer {"id", "answer"} or {"id", "errno", "message"}.
Requests are worked on at once. Ends with its input.
"""

import base64
import errno
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import rados
import rbd

# Seconds. What is not answered by then has failed for the caller, who repeats it.
PATIENCE = "20"
# Bytes of a file that are written at once.
PIECE = 4 * 1024 * 1024
conf, keyring, name, pool = sys.argv[1:5]
output = threading.Lock()


def say(message):
    with output:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def connect():
    settings = {
        "keyring": keyring,
        "rados_mon_op_timeout": PATIENCE,
        "rados_osd_op_timeout": PATIENCE,
        "client_mount_timeout": PATIENCE,
        "admin_socket": "",
        "log_file": "",
    }
    connection = rados.Rados(conffile=conf, name=name, conf=settings)
    connection.connect(timeout=int(PATIENCE))
    return connection


def checked(reply):
    code, out, message = reply
    if code != 0:
        raise OSError(-code, message or "refused")
    return out.decode()


def command(request):
    """Of the monitors."""
    return checked(cluster.mon_command(json.dumps(request["command"]), b""))


def every_monitor(request):
    """The same command to each monitor that is in the quorum; one that does not answer fails it."""
    status = json.loads(checked(cluster.mon_command('{"prefix": "quorum_status", "format": "json"}', b"")))
    body = json.dumps(request["command"])
    return [checked(cluster.mon_command(body, b"", target=monitor)) for monitor in status["quorum_names"]]


def shut_out(request):
    """A client, by its address: on return no storage daemon applies an operation of it after a newer client's."""
    # A number without a fraction is not a CephFloat.
    expire = {"addr": request["client"], "expire": float(request["seconds"])}
    command({"command": {"prefix": "osd blocklist", "blocklistop": "add", **expire}})


def opened(request):
    ioctx = cluster.open_ioctx(pool)
    ioctx.set_namespace(request["namespace"])
    return ioctx


def watchers(request):
    """Addresses of the clients that have an image open for writing; none if there is no such image."""
    with opened(request) as ioctx:
        try:
            with rbd.Image(ioctx, request["image"], read_only=True) as image:
                return [watcher["addr"] for watcher in image.watchers_list()]
        except rbd.ImageNotFound:
            return []


def lay(request):
    """A namespace with an image of at least so many bytes."""
    images = rbd.RBD()
    with cluster.open_ioctx(pool) as ioctx:
        if not images.namespace_exists(ioctx, request["namespace"]):
            images.namespace_create(ioctx, request["namespace"])
    with opened(request) as ioctx:
        if request["image"] not in images.list(ioctx):
            images.create(ioctx, request["image"], request["bytes"], old_format=False, features=rbd.RBD_FEATURE_LAYERING)
    grow(request)


def grow(request):
    """An image to at least so many bytes; false if there is none."""
    with opened(request) as ioctx:
        try:
            with rbd.Image(ioctx, request["image"], read_only=True) as image:
                is_small = image.size() < request["bytes"]
        except rbd.ImageNotFound:
            return False
        if is_small:
            with rbd.Image(ioctx, request["image"]) as image:
                image.resize(request["bytes"])
        return True


def fill(request):
    """The same as lay, with what is in a file: its holes are not written."""
    lay(request)
    with opened(request) as ioctx, rbd.Image(ioctx, request["image"]) as image, open(request["path"], "rb", 0) as file:
        size = os.fstat(file.fileno()).st_size
        at = 0
        while True:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # no data from here on
                    break
                raise
            end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
            while at < min(end, size):
                piece = os.pread(file.fileno(), min(PIECE, end - at), at)
                image.write(piece, at)
                at += len(piece)
        image.flush()


def destroy(request):
    """A namespace and its image. A client that was just shut out counts as watching until the storage has noticed."""
    images = rbd.RBD()
    until = time.monotonic() + int(PATIENCE)
    with opened(request) as ioctx:
        while request["image"] in images.list(ioctx):
            try:
                images.remove(ioctx, request["image"])
            except (rbd.ImageBusy, rbd.ImageHasSnapshots):
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
    with cluster.open_ioctx(pool) as ioctx:
        if images.namespace_exists(ioctx, request["namespace"]):
            images.namespace_remove(ioctx, request["namespace"])


def read(request):
    """An object's bytes in base64; null if there is none."""
    with opened(request) as ioctx:
        try:
            size, _ = ioctx.stat(request["object"])
            return base64.b64encode(ioctx.read(request["object"], size)).decode()
        except rados.ObjectNotFound:
            return None


def write(request):
    """Replaces an object, at once."""
    with opened(request) as ioctx:
        ioctx.write_full(request["object"], base64.b64decode(request["bytes"]))


def remove(request):
    with opened(request) as ioctx:
        try:
            ioctx.remove_object(request["object"])
        except rados.ObjectNotFound:
            pass


def identity(_request):
    """The cluster's id, and its monitors as mon_host in ceph.conf."""
    monitors = json.loads(checked(cluster.mon_command('{"prefix": "mon dump", "format": "json"}', b"")))["mons"]
    vectors = [[f"{each['type']}:{each['addr']}" for each in one["public_addrs"]["addrvec"]] for one in monitors]
    with cluster.open_ioctx(pool):
        return {"fsid": cluster.get_fsid(), "monitors": ",".join(f"[{','.join(vector)}]" for vector in vectors)}


asks = {
    "command": command,
    "everyMonitor": every_monitor,
    "shutOut": shut_out,
    "watchers": watchers,
    "lay": lay,
    "grow": grow,
    "fill": fill,
    "destroy": destroy,
    "read": read,
    "write": write,
    "remove": remove,
    "identity": identity,
}


def answer(request):
    try:
        say({"id": request["id"], "answer": asks[request["ask"]](request)})
    except Exception as error:  # each failure is the caller's to judge
        code = getattr(error, "errno", None) or errno.EIO
        say({"id": request["id"], "errno": code, "message": str(error)})


try:
    cluster = connect()
except Exception as error:
    say({"errno": getattr(error, "errno", None) or errno.EIO, "message": str(error)})
    sys.exit(1)
say({"connected": True})
with ThreadPoolExecutor(max_workers=16) as workers:
    for line in sys.stdin:
        workers.submit(answer, json.loads(line))
cluster.shutdown()
