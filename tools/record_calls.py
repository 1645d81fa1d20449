#!/usr/bin/env python3
"""Runs programs of socket calls and packets on the kernel of this machine and prints what it did: test/differential holds the emulated one to it.

Programs come as JSON lines on standard input ({"name", "steps", "sysctls"?}, test/differential/program.ts); each goes out again with its "results". So a
recording is made anew by

    zcat test/fixtures/linux/socket_programs/stream_calls.jsonl.gz | sudo tools/record_calls.py | gzip -9n > new.jsonl.gz

Each program runs in a network namespace of its own with lo and tun0 (10.0.0.1/24, and a route to 192.0.2.0/24), whose other end is this program. A step that
may send something is followed by a pause of 56 ms, so that what a call causes belongs to its step whatever the machine's speed. Timers that end near
the border of two steps make some programs come out differently from run to run: these are of no use as a reference.

Needs root (namespaces, tun devices, tracefs), Python 3 and iproute2. Nothing of the machine's own network is touched.
"""
import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 1, 0x1000, 0x4000
VNET_HDR = 10
TRACEFS = "/sys/kernel/tracing"
TRACING = f"{TRACEFS}/instances/record_calls_{os.getpid()}"
# Seconds from one step that may send something to the next: delayed acknowledgments (40 ms) fall into the step that caused them, later timers well
# inside of one.
GRID = 0.056
# Steps that send nothing: nobody waits after them, and counters are not read.
QUIET = {"get", "option", "poll", "ioctl", "sockname", "peername", "socket", "bind", "epoll", "epctl", "epwait", "nonblock", "sysctl"}
SYSCTLS = {
    "net/ipv4/tcp_congestion_control": "reno",
    "net/ipv4/tcp_rmem": "4096 131072 6291456",
    "net/ipv4/tcp_wmem": "4096 16384 4194304",
    "net/ipv6/conf/all/disable_ipv6": "1",
    "net/ipv6/conf/default/disable_ipv6": "1",
}


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def call(name, *args):
    result = getattr(libc, name)(*args)
    return -ctypes.get_errno() if result < 0 else result


def sockaddr(text):
    """family:address:port[:length] as bytes."""
    family, address, port, *rest = text.split(":")
    data = struct.pack("<H", int(family)) + struct.pack(">H", int(port)) + socket.inet_aton(address) + bytes(8)
    return data, int(rest[0]) if rest else 16


def address_text(data):
    if len(data) < 8:
        return data.hex()
    return f"{struct.unpack('<H', data[:2])[0]}:{socket.inet_ntoa(data[4:8])}:{struct.unpack('>H', data[2:4])[0]}"


def option_bytes(value):
    if isinstance(value, int):
        return struct.pack("<I", value & 0xFFFFFFFF)
    if "str" in value:
        return value["str"].encode()
    if "timeval" in value:
        return struct.pack("<qq", *value["timeval"])
    if "linger" in value:
        return struct.pack("<ii", *value["linger"])
    return bytes.fromhex(value["hex"])


def pattern(step, length):
    return bytes((step * 7 + i) & 0xFF for i in range(length))


def digest(data):
    return data.hex() if len(data) <= 32 else f"{data[:16].hex()}..{data[-8:].hex()}"


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class Msghdr(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32), ("iov", ctypes.c_void_p), ("iovlen", ctypes.c_size_t),
        ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t), ("flags", ctypes.c_int),
    ]


def cmsg_bytes(messages):
    out = b""
    for level, kind, data in messages:
        body = bytes.fromhex(data)
        out += struct.pack("<Qii", 16 + len(body), level, kind) + body + bytes(-len(body) % 8)
    return out


def read_cmsgs(data):
    out, at = [], 0
    while at + 16 <= len(data):
        length, level, kind = struct.unpack_from("<Qii", data, at)
        if length < 16:
            break
        out.append([level, kind, data[at + 16 : at + length].hex()])
        at += (length + 7) & ~7
    return out


class World:
    def __init__(self):
        self.fds, self.isn, self.ts, self.last_port = {}, {}, {}, 0
        if libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        self.tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.tun, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR))
        fcntl.ioctl(self.tun, TUNSETOFFLOAD, 0x1 | 0x2 | 0x4 | 0x8)
        for name, value in SYSCTLS.items():
            write(f"/proc/sys/{name}", value)
        lines = "link set lo up\naddr add 10.0.0.1/24 dev tun0\nlink set tun0 up\nroute add 192.0.2.0/24 dev tun0\n"
        subprocess.run(["ip", "-batch", "-"], input=lines.encode(), check=True)
        self.counters()

    def counters(self):
        out = {}
        for path in ("/proc/thread-self/net/snmp", "/proc/thread-self/net/netstat"):
            with open(path) as file:
                lines = file.read().splitlines()
            for names, values in zip(lines[::2], lines[1::2]):
                title, *names = names.split()
                for name, value in zip(names, values.split()[1:]):
                    out[title[:-1] + name] = int(value)
        return out

    def fd(self, name):
        return name if isinstance(name, int) else self.fds.get(name, 9999)

    def drain(self):
        out = []
        while True:
            try:
                packet = os.read(self.tun, 70000)[VNET_HDR:]
            except BlockingIOError:
                return out
            self.notice(packet)
            out.append(packet.hex())

    def notice(self, packet):
        """Sequence numbers and time stamps of this host's connections begin where they please."""
        if packet[0] >> 4 != 4 or packet[9] != 6:
            return
        tcp = packet[(packet[0] & 15) * 4 :]
        if tcp[13] & 2:
            port = struct.unpack_from(">H", tcp)[0]
            self.last_port = port
            # Of the connection with that port of the peer's, and of this host's port as long as it has only one.
            keys = [(port, struct.unpack_from(">H", tcp, 2)[0]), port]
            for key in keys:
                self.isn[key] = struct.unpack_from(">I", tcp, 4)[0]
            options, at = tcp[20 : (tcp[12] >> 4) * 4], 0
            while at < len(options) and options[at] != 0:
                if options[at] == 1:
                    at += 1
                    continue
                if options[at] == 8:
                    for key in keys:
                        self.ts[key] = struct.unpack_from(">I", options, at + 2)[0]
                at += options[at + 1]

    def inject(self, text, how):
        packet = bytearray.fromhex(text)
        port = how.get("port", 0) or self.last_port
        for offset, kind in how.get("fix", []):
            if kind == "port":
                struct.pack_into(">H", packet, offset, port)
                continue
            known = self.isn if kind == "isn" else self.ts
            base = known.get((port, how.get("peer")), known.get(port, 0))
            struct.pack_into(">I", packet, offset, (struct.unpack_from(">I", packet, offset)[0] + base) & 0xFFFFFFFF)
        for kind, at, end in how.get("sums", []):
            self.sum(packet, kind, at, end or len(packet))
        try:
            os.write(self.tun, bytes(VNET_HDR) + bytes(packet))
            return 0
        except OSError as error:
            return -error.errno

    @staticmethod
    def sum(packet, kind, at, end):
        """Fills in a checksum of the bytes from `at` to `end`: of an IP header, or a TCP, UDP or ICMP message (with the pseudo header of the IP header at 0)."""
        place = at + {"ip": 10, "tcp": 16, "udp": 6, "icmp": 2}[kind]
        packet[place : place + 2] = b"\0\0"
        pseudo = b""
        if kind in ("tcp", "udp"):
            pseudo = bytes(packet[12:20]) + struct.pack(">BBH", 0, packet[9], end - at)
        struct.pack_into(">H", packet, place, checksum(pseudo + bytes(packet[at:end])))

    def step(self, index, step):
        op, *args = step
        return getattr(self, "do_" + op)(index, *args)

    def do_socket(self, _i, name, family, kind, protocol):
        fd = call("socket", family, kind, protocol)
        if fd >= 0:
            self.fds[name] = fd
        return {"r": min(fd, 0)}

    def do_bind(self, _i, fd, address):
        data, length = sockaddr(address)
        return {"r": call("bind", self.fd(fd), data, length)}

    def do_connect(self, _i, fd, address):
        data, length = sockaddr(address)
        return {"r": call("connect", self.fd(fd), data, length)}

    def do_listen(self, _i, fd, backlog):
        return {"r": call("listen", self.fd(fd), backlog)}

    def do_accept(self, _i, fd, name, flags):
        buffer, length = ctypes.create_string_buffer(128), ctypes.c_uint32(128)
        new = call("accept4", self.fd(fd), buffer, ctypes.byref(length), flags)
        if new < 0:
            return {"r": new}
        self.fds[name] = new
        return {"r": 0, "a": address_text(buffer.raw[: length.value])}

    def name(self, which, fd):
        buffer, length = ctypes.create_string_buffer(128), ctypes.c_uint32(128)
        result = call(which, self.fd(fd), buffer, ctypes.byref(length))
        return {"r": result} if result < 0 else {"r": result, "a": address_text(buffer.raw[: length.value])}

    def do_sockname(self, _i, fd):
        return self.name("getsockname", fd)

    def do_peername(self, _i, fd):
        return self.name("getpeername", fd)

    def do_shutdown(self, _i, fd, how):
        return {"r": call("shutdown", self.fd(fd), how)}

    def do_close(self, _i, fd):
        return {"r": call("close", self.fd(fd))}

    def do_send(self, index, fd, length, flags, address=None):
        data, size = sockaddr(address) if address else (None, 0)
        libc.sendto.restype = ctypes.c_ssize_t
        return {"r": call("sendto", self.fd(fd), pattern(index, length), ctypes.c_size_t(length), flags | socket.MSG_NOSIGNAL, data, size)}

    def do_recv(self, _i, fd, length, flags):
        buffer, name, size = ctypes.create_string_buffer(length or 1), ctypes.create_string_buffer(128), ctypes.c_uint32(128)
        libc.recvfrom.restype = ctypes.c_ssize_t
        result = call("recvfrom", self.fd(fd), buffer, ctypes.c_size_t(length), flags, name, ctypes.byref(size))
        if result < 0:
            return {"r": result}
        out = {"r": result, "d": digest(buffer.raw[: min(result, length)])}
        if size.value:
            out["a"] = address_text(name.raw[: size.value])
        return out

    def do_write(self, index, fd, length):
        libc.write.restype = ctypes.c_ssize_t
        return {"r": call("write", self.fd(fd), pattern(index, length), ctypes.c_size_t(length))}

    def do_read(self, _i, fd, length):
        buffer = ctypes.create_string_buffer(length or 1)
        libc.read.restype = ctypes.c_ssize_t
        result = call("read", self.fd(fd), buffer, ctypes.c_size_t(length))
        return {"r": result} if result < 0 else {"r": result, "d": digest(buffer.raw[:result])}

    def do_sendmsg(self, index, fd, length, flags, address, messages):
        data = pattern(index, length)
        iov = Iovec(ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), length)
        message = Msghdr(iov=ctypes.addressof(iov), iovlen=1)
        if address:
            name, size = sockaddr(address)
            keep = ctypes.create_string_buffer(name, len(name))
            message.name, message.namelen = ctypes.addressof(keep), size
        control = cmsg_bytes(messages)
        keep_control = ctypes.create_string_buffer(control, len(control) or 1)
        if control:
            message.control, message.controllen = ctypes.addressof(keep_control), len(control)
        return {"r": call("sendmsg", self.fd(fd), ctypes.byref(message), flags | socket.MSG_NOSIGNAL)}

    def do_recvmsg(self, _i, fd, length, flags, room=512):
        buffer, name, control = (ctypes.create_string_buffer(n) for n in (length or 1, 128, room or 1))
        iov = Iovec(ctypes.addressof(buffer), length)
        message = Msghdr(name=ctypes.addressof(name), namelen=128, iov=ctypes.addressof(iov), iovlen=1, control=ctypes.addressof(control), controllen=room)
        result = call("recvmsg", self.fd(fd), ctypes.byref(message), flags)
        if result < 0:
            return {"r": result}
        out = {"r": result, "f": message.flags & 0xFFFFFFFF, "d": digest(buffer.raw[: min(result, length)])}
        if message.namelen:
            out["a"] = address_text(name.raw[: message.namelen])
        messages = read_cmsgs(control.raw[: message.controllen])
        if messages:
            out["c"] = messages
        return out

    def do_set(self, _i, fd, level, option, value, length=None):
        data = option_bytes(value)
        return {"r": call("setsockopt", self.fd(fd), level, option, data, len(data) if length is None else length)}

    def do_get(self, _i, fd, level, option, length=256):
        buffer, size = ctypes.create_string_buffer(max(length, 1)), ctypes.c_uint32(length & 0xFFFFFFFF)
        result = call("getsockopt", self.fd(fd), level, option, buffer, ctypes.byref(size))
        return {"r": result} if result < 0 else {"r": result, "v": buffer.raw[: size.value].hex()}

    def do_option(self, index, fd, level, option, value):
        result = self.do_set(index, fd, level, option, value)
        now = self.do_get(index, fd, level, option)
        return {"r": result["r"], "v": now.get("v", now["r"])}

    def do_poll(self, _i, fd, events):
        entry = ctypes.create_string_buffer(struct.pack("<iHH", self.fd(fd), events, 0), 8)
        result = call("poll", entry, ctypes.c_ulong(1), 0)
        return {"r": result, "v": struct.unpack_from("<H", entry.raw, 6)[0]}

    def do_ioctl(self, _i, fd, command):
        value = ctypes.c_int(-1)
        result = call("ioctl", self.fd(fd), ctypes.c_ulong(command), ctypes.byref(value))
        return {"r": result} if result < 0 else {"r": result, "v": value.value}

    def do_epoll(self, _i, name):
        fd = call("epoll_create1", 0)
        self.fds[name] = fd
        return {"r": min(fd, 0)}

    def do_epctl(self, _i, epfd, operation, fd, events, data):
        event = ctypes.create_string_buffer(struct.pack("<IQ", events & 0xFFFFFFFF, data), 12)
        return {"r": call("epoll_ctl", self.fd(epfd), operation, self.fd(fd), event)}

    def do_epwait(self, _i, epfd, maximum):
        buffer = ctypes.create_string_buffer(12 * max(maximum, 1))
        result = call("epoll_wait", self.fd(epfd), buffer, maximum, 0)
        return {"r": result, "e": [list(struct.unpack_from("<IQ", buffer.raw, 12 * i)) for i in range(max(result, 0))]}

    def do_nonblock(self, _i, fd, on):
        return {"r": call("fcntl", self.fd(fd), fcntl.F_SETFL, os.O_NONBLOCK if on else 0)}

    def do_sysctl(self, _i, name, value):
        try:
            write("/proc/sys/" + name.replace(".", "/"), value)
            return {"r": 0}
        except OSError as error:
            return {"r": -error.errno}

    def do_sleep(self, _i, _milliseconds):
        return {"r": 0}

    def do_inject(self, _i, packet, how):
        return {"r": self.inject(packet, how)}

    def do_ip(self, _i, words):
        done = subprocess.run(["ip"] + words.split(), capture_output=True)
        return {"r": done.returncode}


def mark(marker, index):
    """Writes the step's number into the trace; the buffer may be busy for a moment."""
    for _ in range(100):
        try:
            os.write(marker, b"step %d" % index)
            return
        except OSError:
            time.sleep(0.001)
    raise RuntimeError("the trace takes no marks")


def run(program, marker):
    world = World()
    for name, value in program.get("sysctls", {}).items():
        write("/proc/sys/" + name.replace(".", "/"), value)
    before, results, due = world.counters(), [], time.monotonic()
    for index, step in enumerate(program["steps"]):
        if step[0] in QUIET:
            results.append(world.step(index, step))
            continue
        mark(marker, index)
        result = world.step(index, step)
        if step[0] == "sleep":
            due += step[1] / 1000 - GRID
        due += GRID
        time.sleep(max(0, due - time.monotonic()))
        packets = world.drain()
        after = world.counters()
        moved = {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}
        if packets:
            result["out"] = packets
        if moved:
            result["mib"] = moved
        before = after
        results.append(result)
    mark(marker, len(program["steps"]))
    return results


def drops(text, results):
    """Reasons of kfree_skb by step, from the trace of this process."""
    step = None
    for line in text.splitlines():
        if "tracing_mark_write: step " in line:
            step = int(line.rsplit(" ", 1)[1])
        elif "kfree_skb:" in line and step is not None and step < len(results):
            place = line.split("location=")[1].split("+")[0].split(" ")[0]
            results[step].setdefault("drops", []).append(f"{line.split('reason: ')[1].strip()} {place}")


def mount_tracefs():
    """In a mount namespace of its own, where it is not there already."""
    if os.path.isdir(f"{TRACEFS}/instances"):
        return
    libc.unshare(CLONE_NEWNS)
    libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    if libc.mount(b"none", TRACEFS.encode(), b"tracefs", 0, None) != 0:
        sys.exit(f"{TRACEFS}: {os.strerror(ctypes.get_errno())}")


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    mount_tracefs()
    os.makedirs(TRACING, exist_ok=True)
    write(f"{TRACING}/options/event-fork", "1")
    write(f"{TRACING}/set_event_pid", str(os.getpid()))
    write(f"{TRACING}/events/skb/kfree_skb/enable", "1")
    for line in sys.stdin:
        program = json.loads(line)
        reader, writer = os.pipe()
        write(f"{TRACING}/trace", "")
        child = os.fork()
        if child == 0:
            os.close(reader)
            signal.alarm(program.get("limit", 20))
            marker = os.open(f"{TRACING}/trace_marker", os.O_WRONLY)
            try:
                out = json.dumps(run(program, marker))
            except Exception:  # told, not hidden: the program's line says what went wrong
                out = json.dumps({"error": traceback.format_exc()})
            with os.fdopen(writer, "w") as pipe:
                pipe.write(out)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            text = pipe.read()
        os.waitpid(child, 0)
        results = json.loads(text) if text else {"error": "killed: a call blocked"}
        if isinstance(results, list):
            with open(f"{TRACING}/trace") as trace:
                drops(trace.read(), results)
        print(json.dumps({**program, "results": results}, separators=(",", ":")), flush=True)
    write(f"{TRACING}/events/enable", "0")
    write(f"{TRACING}/set_event_pid", "")
    os.rmdir(TRACING)


main()
