/// The reload: a new configuration, from the order to the last worker that was started with the old one.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <bullpen/clock.hpp>
#include "core/shared_array.hpp"
#include "pool/companions.hpp"
#include "pool/configuration.hpp"
#include "pool/configuration_check.hpp"
#include "pool/control_line.hpp"
#include "pool/events.hpp"
#include "pool/image_descriptors.hpp"
#include "pool/master_options.hpp"
#include "pool/new_listener.hpp"
#include "pool/news.hpp"
#include "pool/open_descriptors.hpp"
#include "pool/order_book.hpp"
#include "pool/pools.hpp"
#include "pool/reload_note.hpp"
#include "pool/takeover.hpp"

namespace bullpen {

/// What a reload changes: all of it in the keeper's image.
struct Image {
    MasterOptions& options;
    Pools& pools;
    Companions& companions;
    ImageDescriptors& descriptors;
    Takeover& takeover;
};

/// Made in the keeper's image; its note outlives a master. A master has a child check the new configuration
/// and open its listeners (ConfigurationCheck); then it makes room, which is as if it had died between two
/// turns. The keeper changes the image, all or nothing, and the next master adopts what is there, ends what
/// leaves, starts what is new and replaces workers a few at a time. ReloadNote says how far it is: a kill at
/// any point leaves the old configuration or the new one, and loses nobody.
class Reload {
public:
    Reload(Image image, OrderBook& book, const News& news) : image_{image}, book_{book}, news_{news} {}

    /// See Master::reload_from().
    void read_from(ConfigurationSource source, std::function<std::optional<Companion>()> companion);

    // In a master.

    /// For one whose predecessor has died: takes over the clients of `bullpen ctl`, and the phase.
    void adopt(OpenDescriptors& open);

    void start(Events& events) noexcept;

    /// Checks again what the last master was checking.
    void go_on(TimePoint now);

    [[nodiscard]] std::optional<Outcome> begin(TimePoint now);

    /// One step: first the check by a child, then room for the keeper; in the next master, the workers.
    void attend(TimePoint now);

    /// Whether this master is to end, because the keeper carries the reload out.
    [[nodiscard]] bool makes_room() const noexcept { return makes_room_; }

    /// Ends it, because the server stops.
    void give_up() noexcept;

    /// Returns when to look again even if nothing happens.
    [[nodiscard]] TimePoint prepare_to_wait() {
        return check_ ? check_->prepare_to_wait() : TimePoint::max();
    }

    // In the keeper, between two masters.

    /// Carries a reload out, if one is wanted.
    void put_into_effect();

private:
    void begin_check(TimePoint now);
    void make_room(std::vector<NewListener<UniqueFd>> listeners) noexcept;
    void settle(const ControlAnswer& answer) noexcept;
    void publish() noexcept;
    void change_image();

    Image image_;
    OrderBook& book_;
    const News& news_;
    SharedArray<ReloadNote> note_{1};
    ConfigurationSource source_;
    std::function<std::optional<Companion>()> new_companion_;
    Events* events_ = nullptr;
    std::unique_ptr<ConfigurationCheck> check_;
    bool makes_room_ = false;
};

}  // namespace bullpen
