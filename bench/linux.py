#!/usr/bin/env python3
"""The yardstick: how many frames a CPU second this machine's own Linux moves in one TCP flow, full-size frames and checksums in software, as our cards have them.

    sudo python3 bench/linux.py [MEGABYTES] [PROCESSOR]

Two network namespaces and a veth pair between them, made for this and removed afterwards; sender and receiver share one processor. CPU seconds are those of the whole
machine, interrupts included, so nothing else should run. One JSON line, as the other benchmarks print.
"""
import json
import os
import subprocess
import sys

RECEIVER = """
import socket
listener = socket.create_server(("10.9.0.2", 5001))
print("listening", flush=True)
connection, _ = listener.accept()
buffer = bytearray(65536)
while connection.recv_into(buffer):
    pass
"""
SENDER = """
import socket, sys
connection = socket.create_connection(("10.9.0.2", 5001))
data = bytes(131072)
for _ in range(int(sys.argv[1]) // len(data)):
    connection.sendall(data)
connection.close()
"""


def run(command):
    return subprocess.run(command.split(), check=True, capture_output=True, text=True).stdout


def cpu_seconds():
    """User, nice, system, irq and softirq of all processors."""
    with open("/proc/stat", encoding="ascii") as stat:
        values = [int(word) for word in stat.readline().split()[1:]]
    return sum(values[i] for i in (0, 1, 2, 5, 6)) / os.sysconf("SC_CLK_TCK")


def set_up(client, server):
    run(f"ip link add eth0 netns {client} type veth peer name eth0 netns {server}")
    for host, address in ((client, "10.9.0.1/24"), (server, "10.9.0.2/24")):
        run(f"ip -n {host} addr add {address} dev eth0")
        run(f"ip -n {host} link set eth0 up")
        run(f"ip netns exec {host} ethtool -K eth0 tso off gso off gro off tx off")


def transfer(client, server, size, processor):
    program = ["taskset", "-c", processor, sys.executable, "-c"]
    receiver = subprocess.Popen(["ip", "netns", "exec", server, *program, RECEIVER], stdout=subprocess.PIPE)
    receiver.stdout.readline()
    before = cpu_seconds()
    subprocess.run(["ip", "netns", "exec", client, *program, SENDER, str(size)], check=True)
    receiver.wait()
    return cpu_seconds() - before


def main():
    size = int(float(sys.argv[1]) * 1e6) if len(sys.argv) > 1 else 2_000_000_000
    processor = sys.argv[2] if len(sys.argv) > 2 else "0"
    client, server = (f"truewire-{os.getpid()}-{side}" for side in ("client", "server"))
    run(f"ip netns add {client}")
    run(f"ip netns add {server}")
    try:
        set_up(client, server)
        used = transfer(client, server, size, processor)
        counters = json.loads(run(f"ip -n {client} -s -j link show eth0"))[0]["stats64"]
        frames = counters["tx"]["packets"] + counters["rx"]["packets"]
        print(json.dumps({"case": "Linux, veth, offloads off", "wireFrames": frames, "cpuSeconds": round(used, 2), "framesPerCpuSecond": round(frames / used)}))
    finally:
        run(f"ip netns del {client}")
        run(f"ip netns del {server}")


main()
