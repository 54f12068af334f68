"""Questions and answers in windows of their own: networks, peers, the identity, servers, problems."""
