// Makes the host name (option 12) of a client from its access line, so that it is known by its line wherever it turns up:
// circuit "slot 3/port 7" gives "line-slot-3-port-7". A host name that another plugin or the pool gave is kept.
//
//     settings { prefix "line-" }        // before the circuit; at most 20 characters

#include <stdlib.h>
#include <string.h>

#include "plugin.h"

// Host name (RFC 2132 section 3.14).
#define HOST_NAME 12
// DHCPNAK (RFC 2131 section 4.3.2): it carries no configuration.
#define NAK 6
// Longest label of a name (RFC 1035 section 2.3.4).
#define LABEL_MAX 63
#define PREFIX_MAX 20

static char prefix[PREFIX_MAX + 1] = "line-";

// A letter or digit in lower case; 0 for any other byte.
static char plain(uint8_t byte) {
    if (byte >= 'A' && byte <= 'Z') {
        return (char)(byte - 'A' + 'a');
    }
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ? (char)byte : 0;
}

static bool equals(const plugin_string_t *text, const char *word) {
    return text->len == strlen(word) && memcmp(text->ptr, word, text->len) == 0;
}

// Take one statement; a text says what is wrong with it.
static const char *take(const exports_bindery_types_configuration_setting_t *setting) {
    if (setting->parent.is_some || !equals(&setting->name, "prefix")) {
        return "unknown statement: it must be prefix, as in: prefix \"line-\"";
    }
    if (setting->arguments.len != 1 || setting->properties.len != 0) {
        return "prefix takes one text, as in: prefix \"line-\"";
    }
    const plugin_string_t *text = &setting->arguments.ptr[0];
    if (text->len == 0 || text->len > PREFIX_MAX || plain(text->ptr[0]) == 0) {
        return "the prefix must have 1 to 20 characters and start with a letter or digit";
    }
    for (size_t i = 0; i < text->len; i++) {
        if (plain(text->ptr[i]) == 0 && text->ptr[i] != '-') {
            return "the prefix may have letters, digits and hyphens only";
        }
    }
    memcpy(prefix, text->ptr, text->len);
    prefix[text->len] = 0;
    return NULL;
}

bool exports_bindery_types_configuration_configure(exports_bindery_types_configuration_list_setting_t *settings,
                                                   exports_bindery_types_configuration_setting_error_t *error) {
    bool good = true;
    for (size_t i = 0; i < settings->len && good; i++) {
        const char *wrong = take(&settings->ptr[i]);
        if (wrong != NULL) {
            error->setting.is_some = true;
            error->setting.val = (uint32_t)i;
            plugin_string_dup(&error->message, wrong);
            good = false;
        }
    }
    // What the host hands over is ours to free.
    exports_bindery_types_configuration_list_setting_free(settings);
    return good;
}

exports_bindery_shape_reply_hook_verdict_t exports_bindery_shape_reply_hook_shape(
    exports_bindery_shape_reply_hook_meta_t *meta, exports_bindery_shape_reply_hook_borrow_exchange_t exchange) {
    plugin_list_u8_t value;
    if (meta->reply_type == NAK) {
        return EXPORTS_BINDERY_SHAPE_REPLY_HOOK_VERDICT_CONTINUE;
    }
    if (bindery_shape_reply_exchanges_method_exchange_reply_option(exchange, HOST_NAME, &value)) {
        plugin_list_u8_free(&value);
        return EXPORTS_BINDERY_SHAPE_REPLY_HOOK_VERDICT_CONTINUE;
    }
    if (!bindery_shape_reply_exchanges_method_exchange_circuit_id(exchange, &value)) {
        return EXPORTS_BINDERY_SHAPE_REPLY_HOOK_VERDICT_CONTINUE;
    }
    char name[LABEL_MAX];
    size_t length = strlen(prefix);
    memcpy(name, prefix, length);
    size_t start = length;
    for (size_t i = 0; i < value.len && length < LABEL_MAX; i++) {
        char letter = plain(value.ptr[i]);
        if (letter != 0) {
            name[length++] = letter;
        } else if (name[length - 1] != '-') {
            // Whatever else stands there parts the words; never two hyphens in a row.
            name[length++] = '-';
        }
    }
    plugin_list_u8_free(&value);
    while (length > start && name[length - 1] == '-') {
        length--;
    }
    if (length > start) {
        plugin_list_u8_t option = {(uint8_t *)name, length};
        bindery_shape_reply_exchanges_method_exchange_set_option(exchange, HOST_NAME, &option);
    }
    return EXPORTS_BINDERY_SHAPE_REPLY_HOOK_VERDICT_CONTINUE;
}
