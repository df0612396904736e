/// What comes back to the load client, read as far as needed to know where it ends and whether it is right.
#pragma once

#include <string_view>

namespace bullpen {

struct Dialogue;

/// How far an answer has come.
enum class AnswerState { incomplete, complete, wrong };

/// One connection's view of the answers that come back to it, fed with bytes as they arrive. All the
/// dialogues that it is told about must be of its own protocol.
class AnswerReader {
public:
    virtual ~AnswerReader() = default;

    /// Forgets the last answer and waits for the one to this dialogue's request, which must live until then.
    virtual void expect(const Dialogue& dialogue) = 0;

    /// Bytes have arrived. Bytes beyond a complete answer make it wrong.
    virtual AnswerState take(std::string_view bytes) = 0;

    /// The server has ended its side before the answer was complete.
    [[nodiscard]] virtual AnswerState end() const = 0;

    /// A byte of the present answer has arrived.
    [[nodiscard]] virtual bool begun() const = 0;

    /// The server has announced that it closes after this answer.
    [[nodiscard]] virtual bool is_last() const { return false; }

    /// 0 where the protocol has none.
    [[nodiscard]] virtual int status() const { return 0; }
};

}  // namespace bullpen
