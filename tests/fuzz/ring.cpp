/// Workers that publish whatever they like, and what the master believes of it.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/log.hpp"
#include "tests/fuzz/property.hpp"
#include "tests/pool/desk.hpp"

using namespace bullpen;
using namespace bullpen::at_desk;

namespace {

template <typename Value>
Value any(FuzzedDataProvider& input) {
    std::array<std::uint8_t, sizeof(Value)> bytes{};
    input.ConsumeData(bytes.data(), bytes.size());
    return std::bit_cast<Value>(bytes);
}

/// A number as a handoff could have it: often one that was given, or nearly so.
std::uint64_t some_number(FuzzedDataProvider& input) {
    return input.ConsumeBool() ? input.ConsumeIntegralInRange<std::uint64_t>(0, 20)
                               : any<std::uint64_t>(input);
}

struct Game {
    explicit Game(FuzzedDataProvider& from)
        : input{from},
          desk{from.ConsumeBool() ? crowded()
                                  : pool_with(2, from.ConsumeBool() ? many_at_once : one_by_one)} {}

    void give(std::uint32_t slot) {
        constexpr std::size_t clients_max = 90;
        if (!desk.roster.ready().contains(slot) || !desk.roster.is_usable(slot) ||
            desk.connections.size() > clients_max)
            return;
        const std::uint64_t room =
            static_cast<std::uint64_t>(desk.shape.depth) - desk.roster.account(slot).outstanding();
        std::vector<Place> clients;
        const auto count = input.ConsumeIntegralInRange<std::size_t>(1, messages_at_once);
        while (clients.size() < std::min<std::uint64_t>(count, room))
            clients.push_back(next_client());
        if (clients.empty()) return;
        const std::size_t given = desk.handoffs.give(slot, clients, now);
        for (std::size_t i = clients.size(); i > given; --i)
            desk.lobby.put_first(clients[i - 1]);
    }
    Place next_client() {
        if (const std::optional<Place> waiting = desk.lobby.take_first()) return *waiting;
        guests.push_back(desk.come(unix_sockets()));
        return guests.back().place;
    }

    void receive(std::uint32_t slot) {
        Envelope envelope;
        (void)desk.receive(slot, envelope);
    }

    /// As a worker does that keeps to the rules, or nearly.
    void settle_one(std::uint32_t slot) {
        const auto given = desk.roster.account(slot).given();
        if (given.empty()) return;
        const auto one = input.ConsumeIntegralInRange<std::size_t>(0, given.size() - 1);
        const auto kind = static_cast<Completion::Kind>(input.ConsumeIntegralInRange(0, 3));
        if (kind == Completion::Kind::declined)
            desk.decline(slot, given[one].handoff);
        else
            desk.publish(slot, {.number = given[one].handoff, .kind = kind});
    }

    void publish_nonsense(std::uint32_t slot) {
        auto completion = any<Completion>(input);
        completion.number = some_number(input);
        completion.kind = static_cast<Completion::Kind>(input.ConsumeIntegralInRange(0, 4));
        desk.board.pages(slot).write(completion);
        for (int times = input.ConsumeIntegralInRange(0, 3); times > 0; --times)
            desk.board.pages(slot).publish();
    }

    void pass(std::uint32_t slot) {
        const UniqueFd file = input.ConsumeBool() ? some_file() : make_channel().master;
        const std::array<int, 2> descriptors{file.get(), file.get()};
        auto message = any<Message>(input);
        if (input.ConsumeBool()) message.kind = MessageKind::file;
        message.handoff = some_number(input);
        (void)send_message(desk.workforce.channel(slot).worker.get(), message,
                           std::span{descriptors}.first(input.ConsumeIntegralInRange<std::size_t>(0, 2)));
    }

    void tell(std::uint32_t slot) {
        const auto note = input.ConsumeIntegralInRange<std::uint32_t>(0, desk.board.pages(slot).depth() - 1);
        desk.board.pages(slot).note(note).tell(some_number(input),
                                               static_cast<Progress>(input.ConsumeIntegralInRange(0, 5)),
                                               input.ConsumeBool(), any<Resumption>(input));
    }

    void scribble(std::uint32_t slot) {
        ScoreboardRow& row = desk.board.row(slot);
        row.begun = any<std::uint64_t>(input);
        row.completed = any<std::uint64_t>(input);
        row.returned = any<std::uint64_t>(input);
        row.answers = any<std::uint32_t>(input);
        row.awaiting_since_ns = any<std::uint64_t>(input);
    }

    void die(std::uint32_t slot) {
        (void)desk.die(slot, input.ConsumeBool() ? ExitReason::signalled : ExitReason::exited, now);
    }

    void look() {
        desk.handoffs.note_progress(now);
        desk.handoffs.rebalance(now);
        desk.recalls.attend(false, now);
        desk.handoffs.relieve(now);
        (void)desk.handoffs.has_news();
        must(std::min(desk.handoffs.prepare_to_wait(now), desk.recalls.prepare_to_wait(now)) >= now,
             "the master looks again later");
    }

    void check_books() {
        std::uint64_t given = 0;
        for (std::uint32_t slot = 0; slot < desk.shape.slots; ++slot)
            given += desk.roster.account(slot).outstanding();
        must(desk.connections.size() == desk.lobby.waiting() + desk.lobby.parked() + given,
             "every connection is somewhere, and once");
        must(desk.roster.outstanding() == given, "the sum is the sum");
    }

    void turn() {
        const auto slot = input.ConsumeIntegralInRange<std::uint32_t>(0, 1);
        switch (input.ConsumeIntegralInRange(0, 9)) {
            case 0:
            case 1: give(slot); break;
            case 2: receive(slot); break;
            case 3: settle_one(slot); break;
            case 4: publish_nonsense(slot); break;
            case 5: pass(slot); break;
            case 6: tell(slot); break;
            case 7: scribble(slot); break;
            case 8: die(slot); break;
            case 9: now += std::chrono::milliseconds{input.ConsumeIntegralInRange(0, 2000)}; break;
        }
        if (input.ConsumeBool()) look();
        check_books();
    }

    FuzzedDataProvider& input;
    Desk desk;
    std::vector<Guest> guests;
    TimePoint now = begin;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    set_log_level(LogLevel::error);
    const int before = lowest_free_descriptor();
    {
        FuzzedDataProvider input{data, size};
        Game game{input};
        while (input.remaining_bytes() > 0)
            game.turn();
    }
    must(lowest_free_descriptor() == before, "no descriptor is left open");
    return 0;
}
