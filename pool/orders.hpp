/// Orders: what an operator can tell a running server, by a signal or by `bullpen ctl`, and what comes of it.
#pragma once

#include <signal.h>

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace bullpen {

/// The phases of a server's life. From `stopping` no way leads back.
enum class Phase {
    starting,   ///< A pool has no ready worker yet.
    serving,    ///< Each pool has a ready worker, or needs none before a client comes.
    reloading,  ///< A new configuration is checked, or workers are replaced because of it.
    upgrading,  ///< A new program is started in the place of this one.
    stopping,   ///< No new client gets in; what has begun is finished.
};
constexpr std::size_t phases_count = 5;
std::string_view name_of(Phase phase) noexcept;

enum class Order {
    status,         ///< Say how the server is.
    connections,    ///< List the connections.
    reload,         ///< Read the configuration again, and put it into effect.
    upgrade,        ///< Let a new program take the place of this one.
    stop,           ///< Serve what has been accepted, then end.
    stop_at_once,   ///< End the workers that are still busy, too.
    reopen_log,     ///< Open the log's file anew: the old one has been renamed.
    more_workers,   ///< One worker more.
    fewer_workers,  ///< One worker less.
};
constexpr std::size_t orders_count = 9;

/// What comes of an order in a phase.
enum class Effect {
    act,       ///< It is carried out.
    postpone,  ///< It waits for the end of the phase.
    join,      ///< It is being carried out already; who asks is told when it has happened.
    refuse,    ///< Nothing happens, and `why` is said.
};

struct Response {
    Effect effect = Effect::act;
    std::string_view why{};  ///< For join and refuse: a sentence without its full stop.
};

/// The table: what each order does in each phase.
Response respond(Phase phase, Order order) noexcept;

/// The phase after an order that is carried out.
constexpr Phase phase_after(Phase phase, Order order) noexcept {
    if (order == Order::reload) return Phase::reloading;
    if (order == Order::upgrade) return Phase::upgrading;
    return order == Order::stop || order == Order::stop_at_once ? Phase::stopping : phase;
}

/// The order that a signal gives. Nothing: it means nothing to this server. SIGINT is a person at a terminal,
/// who is heard when insisting: in a stop it says "at once". SIGHUP is a reload, and a stop if the terminal
/// that the server was started from is gone.
std::optional<Order> order_of_signal(int signal, Phase phase, bool terminal_is_gone) noexcept;

/// The signals that can give an order. They are for the keeper; the other processes don't obey them (a worker
/// knows a SIGTERM of its own), because a terminal, kill(2) of a group and `systemctl kill` send them to all.
/// Of several at once the first is heeded first: SIGINT, so that it isn't one "at once" in a SIGTERM's stop.
inline constexpr std::array order_signals = {SIGINT,  SIGTERM, SIGQUIT, SIGHUP,
                                             SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU};

/// Of these, what a terminal sends, too: workers and companions ignore them.
inline constexpr std::array terminal_signals = {SIGINT, SIGQUIT, SIGHUP, SIGTTIN, SIGTTOU};

}  // namespace bullpen
