#include "pool/opened_listeners.hpp"

#include <sys/socket.h>

#include <stdexcept>

#include "core/message_sender.hpp"
#include "core/urgent_data.hpp"

namespace bullpen {

OpenedListeners open_listeners_of(const PoolOptions& options) {
    OpenedListeners opened;
    ListenOptions how = options.listen_options;
    if (options.design.form == Form::program)  // Most programs don't expect a read to time out.
        how.slice = {};
    if (options.design.parks() && how.unsent_max == 0) {
        constexpr int unsent_max = 256 * 1024;  // Without it a slow reader takes megabytes in the kernel.
        how.unsent_max = unsent_max;
    }
    for (const std::string& text : options.listen)
        for (Listener& listener : open_listeners(text, how)) {
            if (options.oob != OutOfBand::off) set_out_of_band(listener.fd(), options.oob);
            if (listener.address().type() == SOCK_SEQPACKET) learn_senders(listener.fd());
            opened.listeners.push_back(std::move(listener));
            opened.texts.push_back(text);
        }
    if (!options.design.own_listeners) return opened;
    for (Listener& listener : opened.listeners) {
        if (listener.address().family() == AF_UNIX)
            throw std::invalid_argument{"model " + std::string{options.design.name} + " needs " +
                                        (listener.is_for_datagrams() ? "UDP" : "TCP") + " listeners: " +
                                        listener.address().text() + " can't be shared by SO_REUSEPORT"};
        listener.share_port();
    }
    return opened;
}

}  // namespace bullpen
