"""Linux: TUN, routes and addresses through netlink, peer credentials."""
