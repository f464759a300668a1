// Gives a client that boots over the network the TFTP server and the file for its architecture (option 93, RFC 4578):
//
//     settings {
//         server "192.0.2.20"                  // option 66
//         file 0 "pxelinux.0"                  // option 67 by the first type in option 93
//         file 7 "ipxe.efi"
//     }

const TFTP_SERVER_NAME = 66;
const BOOTFILE_NAME = 67;
const CLIENT_ARCHITECTURE = 93;
const NAK = 6;

const bytes = (text) => new TextEncoder().encode(text);

let server;
let files = new Map();

// A refusal is thrown: the statement by its index, and what would be right.
const refuse = (setting, message) => {
  throw { setting, message };
};

export const configuration = {
  configure(settings) {
    files = new Map();
    server = undefined;
    settings.forEach((setting, index) => {
      const [first, second] = setting.arguments;
      if (setting.name === "server" && setting.arguments.length === 1 && first.length > 0) {
        server = first;
      } else if (setting.name === "file" && setting.arguments.length === 2 && /^\d+$/.test(first) && second.length > 0) {
        files.set(Number(first), second);
      } else {
        refuse(index, 'it must be server "ADDRESS" or file ARCHITECTURE "NAME"');
      }
    });
    if (server === undefined) {
      refuse(undefined, 'no server: add one, as in: server "192.0.2.20"');
    }
  },
};

// The plugin exports two interfaces; each is a constant by its name.
export const hook = {
  shape(meta, exchange) {
    const types = meta.replyType === NAK ? undefined : exchange.requestOption(CLIENT_ARCHITECTURE);
    const file = types !== undefined && types.length >= 2 ? files.get(types[0] * 256 + types[1]) : undefined;
    if (file !== undefined) {
      exchange.setOption(TFTP_SERVER_NAME, bytes(server));
      exchange.setOption(BOOTFILE_NAME, bytes(file));
    }
    // What was lent must be given back before the return.
    exchange[Symbol.dispose]();
    return "continue";
  },
};
