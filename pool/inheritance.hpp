/// The inheritance: what a new program gets from the server in whose place it was started.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/listener.hpp"
#include "pool/opened_listeners.hpp"
#include "pool/pool_options.hpp"

namespace bullpen {

class Inheritance {
public:
    /// Waits for the listeners, if there is a predecessor; else it is empty. Throws std::runtime_error if the
    /// predecessor speaks another version, or has ended.
    static Inheritance receive();

    [[nodiscard]] bool has_predecessor() const noexcept { return channel_ >= 0; }
    [[nodiscard]] int channel() const noexcept { return channel_; }

    /// The owner's listeners that the predecessor had opened from the text, which now have these options;
    /// else those of another pool, if the text is their address. None if there are none. Each is taken once.
    [[nodiscard]] std::vector<Listener> take(const std::string& owner, const std::string& text,
                                             const ListenOptions& options);

    /// As open_listeners_of(), but for those that are there.
    [[nodiscard]] OpenedListeners open(const PoolOptions& pool);

    /// Closes what nobody has taken: listeners that aren't wanted any more.
    void close_rest() noexcept { listeners_.clear(); }

    /// The channel is closed: its number may be another's.
    void forget_channel() noexcept;

private:
    struct Inherited {
        std::string owner;
        std::string text;
        Listener listener;
    };

    int channel_ = -1;  ///< Open as long as the program wants to say why it ends.
    std::vector<Inherited> listeners_;
};

/// The channel to the server in whose place this program was started, or -1. The program must not close it.
/// Takes its number out of the environment, which handlers and programs see.
int channel_to_predecessor() noexcept;

/// Tells the server in whose place this program was started, if it was, why it can't take it.
void tell_predecessor(std::string_view why) noexcept;

}  // namespace bullpen
