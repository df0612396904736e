#include "servers/services/conversation.hpp"

#include <algorithm>
#include <thread>

#include "servers/services/head_reader.hpp"

namespace bullpen::http {
namespace {

void send(Connection& client, const Answer& answer) {
    if (answer.delay.count() > 0) std::this_thread::sleep_for(answer.delay);
    if (answer.is_in_one_piece())
        return answer.keep_alive ? client.write_all(answer.bytes) : client.write_last(answer.bytes);
    client.write_before_more(answer.bytes);
    for (std::uint64_t left = answer.body_size; left > 0;) {
        const std::string_view piece = answer.body.substr(0, left);
        client.write_all(piece);
        left -= piece.size();
    }
    if (answer.file_size > 0)
        client.send_file(answer.file, static_cast<off_t>(answer.file_offset), answer.file_size);
}

}  // namespace

void converse(Connection& client, Responder& responder) {
    HeadReader heads{client, HeadLimits{}};
    for (;;) {
        const HeadReader::Outcome found = heads.next();
        if (found == HeadReader::Outcome::end) return;
        const Answer answer = responder.answer(found, heads.head(), heads.has_more(), client.draining());
        send(client, answer);
        if (answer.keep_alive) continue;
        if (answer.linger) client.linger(linger_patience);
        return;
    }
}

}  // namespace bullpen::http
