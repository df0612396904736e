/// The configuration check: a child of the master reads and checks a new configuration and opens its
/// listeners.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include <bullpen/clock.hpp>
#include <bullpen/unique_fd.hpp>
#include "pool/configuration.hpp"
#include "pool/control_line.hpp"
#include "pool/events.hpp"
#include "pool/new_listener.hpp"
#include "pool/opened_listeners.hpp"
#include "pool/present_pool.hpp"
#include "pool/reload_note.hpp"

namespace bullpen {

struct CheckResult {
    ControlAnswer answer;  ///< With exit status 0 the configuration is good, and its text is in the note.
    std::vector<NewListener<UniqueFd>> listeners{};
};

/// Lives in the master, which never waits for the child: a name server that doesn't answer, a file that is a
/// FIFO, a crash in a parser end at the deadline with a sentence.
class ConfigurationCheck {
public:
    /// Forks. `said` gets the text of a good configuration. Throws std::system_error if the system lacks a
    /// resource.
    ConfigurationCheck(const ConfigurationSource& source, const std::vector<PresentPool>& present,
                       SharedArray<ReloadNote>& note, Events& events, TimePoint deadline);
    ~ConfigurationCheck();  ///< Kills the child if it is still there; the master's sweep reaps it.
    ConfigurationCheck(const ConfigurationCheck&) = delete;
    ConfigurationCheck& operator=(const ConfigurationCheck&) = delete;

    [[nodiscard]] TimePoint prepare_to_wait();

    /// Takes what has come. Returns the result once, when the check is over.
    std::optional<CheckResult> attend(TimePoint now);

private:
    int check(int channel, const ConfigurationSource& source, const std::vector<PresentPool>& present);
    void open_new(const Configuration& wanted, std::uint32_t index, const std::vector<PresentPool>& present,
                  int channel);
    [[nodiscard]] bool take_messages();
    CheckResult result();
    CheckResult fail(ControlAnswer why) noexcept;

    ReloadNote::Said& said_;
    UniqueFd channel_;
    std::optional<Events::Watch> watch_;
    pid_t pid_ = 0;
    TimePoint deadline_;
    std::vector<NewListener<UniqueFd>> came_;
    std::vector<Listener> opened_;  ///< In the child, which ends without closing them in order.
    std::optional<int> verdict_;    ///< The exit status for bullpen ctl.
    bool over_ = false;
};

}  // namespace bullpen
