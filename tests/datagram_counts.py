"""What a server's metrics say of datagrams."""


def datagrams(server):
    """What the metrics say of datagrams that have been received."""
    samples = server.metrics()
    def value(name, **labels):
        return int(sum(number for (other, has), number in samples.items()
                       if other == name and set(labels.items()) <= has))
    names = {outcome: value("bullpen_datagrams_total", outcome=outcome)
             for outcome in ("answered", "discarded", "refused", "failed")}
    names |= {"received": value("bullpen_connections_accepted_total"), "lost": value("bullpen_connections_lost_total"),
              "truncated": value("bullpen_datagrams_truncated_total"), "sent": value("bullpen_datagrams_sent_total"),
              "unsent": value("bullpen_datagrams_unsent_total"),
              "dropped": value("bullpen_datagrams_dropped_total"), "peers": value("bullpen_datagram_peers_connected")}
    return names


def balanced(counts):
    return counts["received"] == sum(counts[name] for name in ("answered", "discarded", "refused", "failed", "lost"))
