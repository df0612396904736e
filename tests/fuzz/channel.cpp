/// Messages of any size with any number of descriptors, as a broken or hostile process sends them.
#include "core/channel.hpp"

#include <fuzzer/FuzzedDataProvider.h>
#include <sys/socket.h>

#include <cstring>
#include <vector>

#include "tests/fuzz/property.hpp"

using namespace bullpen;

namespace {

void send_raw(int channel, const std::vector<std::uint8_t>& bytes, std::size_t descriptors) {
    iovec payload{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
    msghdr header{};
    header.msg_iov = &payload;
    header.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(8 * sizeof(int))> control{};
    if (descriptors > 0) {
        header.msg_control = control.data();
        header.msg_controllen = CMSG_SPACE(descriptors * sizeof(int));
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
        const std::vector<int> same(descriptors, channel);
        std::memcpy(CMSG_DATA(rights), same.data(), descriptors * sizeof(int));
    }
    must(::sendmsg(channel, &header, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(bytes.size()),
         "a message is sent");
}

void check_received(int channel, const std::vector<std::uint8_t>& bytes, std::size_t descriptors) {
    Envelope envelope;
    const Received received = receive_message(channel, envelope, Wait::never);
    const std::size_t count = bytes.size() / sizeof(Message);
    const bool is_empty = bytes.empty() && descriptors == 0;
    const bool is_whole = bytes.size() % sizeof(Message) == 0 && count > 0 && count <= messages_at_once &&
                          (count == 1 ? descriptors <= 2 : descriptors == count);
    must(received == (is_empty   ? Received::closed
                      : is_whole ? Received::message
                                 : Received::malformed),
         "only whole messages are received");
    for (std::size_t i = 0; i < envelope.descriptors.size(); ++i)
        must(static_cast<bool>(envelope.descriptors[i]) == (is_whole && i < descriptors),
             "an envelope has what came with it");
    if (!is_whole) return;
    must(envelope.count == count, "all messages are received");
    must(std::memcmp(envelope.all.data(), bytes.data(), bytes.size()) == 0, "messages are as they were sent");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const int before = lowest_free_descriptor();
    {
        FuzzedDataProvider input{data, size};
        const ChannelEnds ends = make_channel();
        while (input.remaining_bytes() > 0) {
            const auto descriptors = input.ConsumeIntegralInRange<std::size_t>(0, 8);
            const auto length = input.ConsumeBool()
                                    ? sizeof(Message) * input.ConsumeIntegralInRange<std::size_t>(0, 5)
                                    : input.ConsumeIntegralInRange<std::size_t>(0, 600);
            auto bytes = input.ConsumeBytes<std::uint8_t>(length);
            bytes.resize(length);
            send_raw(ends.worker.get(), bytes, descriptors);
            check_received(ends.master.get(), bytes, descriptors);
        }
    }
    must(lowest_free_descriptor() == before, "no descriptor is left open");
    return 0;
}
