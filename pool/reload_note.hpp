/// The reload note: how far a reload is, in memory that outlives a master.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/table_fd.hpp"
#include "pool/new_listener.hpp"
#include "pool/orders.hpp"
#include "pool/scoreboard.hpp"

namespace bullpen {

/// Reloads are numbered from 1. One has begun when `begun` has its number, and so on: a reload is
///
///   being checked           begun > wanted    a successor checks again
///   to be put into effect   wanted > done     the keeper does it as soon as no master lives
///   in effect, or failed    done > settled    the next master replaces workers, and tells who waits for it
///   over                    settled == begun
///
/// One writer per field.
struct ReloadNote {
    static constexpr std::size_t text_max = std::size_t{4} << 20U;  ///< Of a configuration, in bytes.
    static constexpr std::size_t listeners_most = 256;              ///< That one reload can add.
    static constexpr std::size_t askers_most = 8;

    /// The text of the configuration that was checked, or what is wrong with it.
    struct Said {
        std::size_t size = 0;
        std::array<char, text_max> bytes;

        void say(std::string_view text) noexcept {
            size = std::min(text.size(), bytes.size());
            std::copy_n(text.begin(), size, bytes.begin());
        }
        [[nodiscard]] std::string text() const { return {bytes.data(), std::min(size, bytes.size())}; }
    };
    /// A client of `bullpen ctl` that has not been answered.
    struct Asker {
        TableFd socket;
        bool has_asked = false;
        Order order{};
        bool under_way = false;
    };

    // The master writes:
    SharedWord begun;
    SharedWord wanted;
    SharedWord settled;
    SharedWord new_listeners_count;
    std::array<NewListener<TableFd>, listeners_most> new_listeners;
    SharedWord askers_count;  ///< Whom a master that has made room leaves to its successor.
    std::array<Asker, askers_most> askers;
    SharedWord has_failed;          ///< The last reload has.
    SharedCounter in_effect_since;  ///< When a configuration was last put into effect (UNIX time, s).

    // The keeper writes:
    SharedWord done;
    SharedWord failed;  ///< The number of the last one that it could not put into effect, for the reason
    std::array<char, 1000> failure;

    // A child of the master writes; two, because one that was killed may still be running a moment later.
    std::array<Said, 2> said_by;

    [[nodiscard]] Said& said() noexcept { return said_by[begun % said_by.size()]; }
    [[nodiscard]] bool is_under_way() const noexcept { return settled != begun; }
    [[nodiscard]] bool is_for_the_keeper() const noexcept { return wanted != done; }
};

}  // namespace bullpen
