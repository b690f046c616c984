"""What `portico ports check` and `nmap -sV` find out about the same ports: `compare.py PORTICO ESTATE FOLDER`."""
import collections
import json
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

portico, estate, folder = sys.argv[1:]


def run(arguments, allowed=(0,)):
    start = time.monotonic()
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode not in allowed:
        sys.exit(f"{arguments}: {done.stderr}")
    return time.monotonic() - start, done.stdout


# What the plan has, without what is skipped: ranges, and what cannot be proven by asking.
_, text = run([portico, "ports", "check", "-f", estate, "--from", "clients", "--dry-run", "-o", "json"])
planned = json.loads(text)
planned = planned["flows"] if isinstance(planned, dict) else planned
spoken = [flow for flow in planned if flow["would"].startswith("speak")]
ports = collections.defaultdict(set)
for flow in spoken:
    ports[flow["transport"], flow["address"]].add(flow["ports"]["first"])
print(f"{sum(map(len, ports.values()))} ports of {len({address for _, address in ports})} hosts")

took, text = run([portico, "ports", "check", "-f", estate, "--from", "clients", "-o", "json"], (0, 1))
print(f"portico ports check, as it is set: {took:.1f} s")
answers = {}
for flow in json.loads(text)["flows"]:
    key = (flow["transport"], flow["address"], (flow["ports"] or {}).get("first"))
    if key[2] in ports.get(key[:2], ()):
        answers.setdefault(key, []).append(flow)

found = {}
for transport, option in (("tcp", "-sS"), ("udp", "-sU")):
    addresses = sorted(address for over, address in ports if over == transport)
    spent = 0
    # nmap asks every address for every port of its list: one run for each host asks for what is planned and no more.
    processes, start = [], time.monotonic()
    for address in addresses:
        wanted = ",".join(str(port) for port in sorted(ports[transport, address]))
        processes.append((address, subprocess.Popen(
            ["nmap", option, "-sV", "-Pn", "-n", "-T4", "-p", wanted, "-oX", f"{folder}/{transport}-{address}.xml", address],
            stdout=subprocess.DEVNULL)))
    for address, process in processes:
        process.wait()
    spent = time.monotonic() - start
    print(f"nmap {option} -sV -T4, one for each host at the same time: {spent:.1f} s")
    for address in addresses:
        for port in xml.parse(f"{folder}/{transport}-{address}.xml").iter("port"):
            service = port.find("service")
            state = port.find("state").get("state")
            probed = service is not None and service.get("method") == "probed"
            name = "" if service is None else " ".join(filter(None, (service.get("name"), service.get("product"), service.get("version"))))
            found[transport, address, int(port.get("portid"))] = (state, probed, name)

proven = identified = 0
print("| port | asked for | Portico | what it says | nmap |\n| --- | --- | --- | --- | --- |")
for key in sorted(answers, key=lambda key: (key[1], key[0], key[2])):
    flows = answers[key]
    best = next((flow for flow in flows if flow["verdict"] == "proven"), flows[0])
    state, probed, name = found.get(key, ("not scanned", False, ""))
    proven += best["verdict"] == "proven"
    identified += probed
    said = best["evidence"].replace("|", "\\|")[:70]
    guess = name if probed else f"{state}, {name} by its number" if name else state
    print(f"| {key[1].rsplit('.', 1)[1]}: {key[2]}/{key[0]} | {best['application_protocol']} | {best['verdict']} | {said} | {guess} |")
print(f"of {len(answers)} ports Portico proves {proven}, nmap identifies {identified} by what they say")
