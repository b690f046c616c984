"""An estate of many web servers: `many.py NETWORK COUNT`, each with a flow of HTTP and one of HTTPS."""
import ipaddress
import sys

network, count = ipaddress.ip_network(sys.argv[1]), int(sys.argv[2])
print('version = 1\n[[hosts]]\nid = "clients"\nroles = ["windows.web-client"]\naddress = "127.0.0.1"')
# A host has eight addresses at most that are checked; ports stand for more addresses than the network has.
hosts = list(network.hosts())
for place in range(count):
    address = hosts[place % len(hosts)]
    print(f'[[hosts]]\nid = "w{place}"\nroles = ["windows.web-server"]\naddress = "{address}"')
