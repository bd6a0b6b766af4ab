#include <cstring>
#include <stdexcept>

#include "core/text/utf8.hpp"
#include "core/tokenizer/sentence_piece.hpp"

namespace ctxmem {
namespace {

[[noreturn]] void refuse(const char* what) {
    throw std::invalid_argument(std::string("the SentencePiece model is damaged: ") + what);
}

// The fields of one message of a protocol buffer, front to back.
class Message {
public:
    explicit Message(std::string_view bytes) : bytes_(bytes) {}

    bool next() {
        if (bytes_.empty()) return false;
        const std::uint64_t tag = varint();
        field = tag >> 3;
        wire = static_cast<unsigned>(tag & 7);
        switch (wire) {
            case 0: number = varint(); break;
            case 1: take(8); break;
            case 2: text = take(varint()); break;
            case 5: text = take(4); break;
            default: refuse("a field of an unknown kind");
        }
        return true;
    }

    std::uint64_t field = 0;
    unsigned wire = 0;
    std::uint64_t number = 0;
    std::string_view text;

    // The value of the field, which must be of this kind.
    std::string_view bytes() const {
        if (wire != 2) refuse("a field that should be text");
        return text;
    }
    bool flag() const { return integer() != 0; }
    std::uint64_t integer() const {
        if (wire != 0) refuse("a field that should be a number");
        return number;
    }
    float real() const {
        if (wire != 5) refuse("a score that is no float");
        float value;
        std::memcpy(&value, text.data(), 4);
        return value;
    }

private:
    std::uint64_t varint() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const auto byte = static_cast<unsigned char>(take(1)[0]);
            value |= std::uint64_t{byte & 0x7Fu} << shift;
            if (byte < 0x80) return value;
        }
        refuse("a number of more than 64 bits");
    }
    std::string_view take(std::uint64_t size) {
        if (size > bytes_.size()) refuse("it ends within a field");
        const std::string_view taken = bytes_.substr(0, size);
        bytes_.remove_prefix(size);
        return taken;
    }

    std::string_view bytes_;
};

SentencePieceFile::Piece read_piece(std::string_view bytes) {
    SentencePieceFile::Piece piece;
    for (Message message(bytes); message.next();) {
        if (message.field == 1) piece.text = message.bytes();
        if (message.field == 2) piece.score = message.real();
        if (message.field == 3) {
            if (message.integer() < 1 || message.integer() > 6) refuse("a piece of unknown type");
            piece.kind = static_cast<SentencePieceFile::Kind>(message.integer());
        }
    }
    if (!is_utf8(piece.text)) refuse("a piece that is not UTF-8");
    return piece;
}

}  // namespace

SentencePieceFile read_sentence_piece(std::string_view bytes) {
    SentencePieceFile file;
    for (Message message(bytes); message.next();) {
        if (message.field == 1) file.pieces.push_back(read_piece(message.bytes()));
        if (message.field == 2)
            for (Message trainer(message.bytes()); trainer.next();) {
                if (trainer.field == 3) {
                    if (trainer.integer() < 1 || trainer.integer() > 4)
                        refuse("a model of unknown type");
                    file.type = static_cast<SentencePieceFile::Type>(trainer.integer());
                }
                if (trainer.field == 24) file.treat_whitespace_as_suffix = trainer.flag();
                if (trainer.field == 35) file.byte_fallback = trainer.flag();
            }
        if (message.field == 3)
            for (Message normaliser(message.bytes()); normaliser.next();) {
                if (normaliser.field == 2) file.precompiled_charsmap = normaliser.bytes();
                if (normaliser.field == 3) file.add_dummy_prefix = normaliser.flag();
                if (normaliser.field == 4) file.remove_extra_whitespaces = normaliser.flag();
                if (normaliser.field == 5) file.escape_whitespaces = normaliser.flag();
            }
    }
    if (file.pieces.empty()) refuse("it has no pieces");
    return file;
}

}  // namespace ctxmem
