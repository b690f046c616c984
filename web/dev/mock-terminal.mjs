// The engine's end of the terminal channel: a toy shell with a counted, windowed output stream.

const WINDOW = 256 * 1024;
const PIECE = 16 * 1024;

export function terminal(peer, own) {
  let shell;
  const push = () => {
    if (!shell || peer.readyState !== peer.OPEN) return;
    while (shell.sent < shell.output.length && shell.sent - shell.acked < WINDOW) {
      const end = Math.min(shell.output.length, shell.sent + PIECE, shell.acked + WINDOW);
      peer.send(Buffer.concat([Buffer.of(0x81), shell.output.subarray(shell.sent, end)]));
      shell.sent = end;
    }
    if (shell.over && shell.sent === shell.output.length) {
      const status = Buffer.alloc(6);
      status.writeUInt8(0x82, 0);
      status.writeInt32BE(shell.status, 1);
      peer.send(status);
      peer.send(Buffer.concat([Buffer.of(0x84), Buffer.from('program-exited')]));
      peer.close(4013, 'program-exited');
      own.terminals.clear();
    }
  };
  const print = (text) => {
    shell.output = Buffer.concat([shell.output, Buffer.from(text)]);
    push();
  };

  peer.on('message', (data) => {
    const frame = Buffer.from(data);
    switch (frame[0]) {
      case 0x00: {
        if (own.desktop === 'refused') {
          // The engine refuses; why stands in the close of the gateway behind it, where that is known.
          peer.send(Buffer.concat([Buffer.of(0x83), Buffer.from(JSON.stringify({ error: { code: 'host-refused', message: 'refused' } }))]));
          peer.close(4002, own.cause ? `host-failed cause=${own.cause}` : 'host-failed');
          break;
        }
        const received = Number(frame.readBigUInt64BE(6));
        const resource = frame.subarray(16).toString().split('.')[1] ?? 'terminal';
        const known = own.terminals.get(resource);
        shell = known ?? { output: Buffer.alloc(0), sent: 0, acked: 0, line: '', over: false, status: 0 };
        own.terminals.set(resource, shell);
        const resumed = known !== undefined && received <= shell.output.length && received > 0;
        const start = resumed ? received : 0;
        shell.sent = start;
        shell.acked = start;
        const opened = Buffer.alloc(10);
        opened.writeUInt8(0x80, 0);
        opened.writeBigUInt64BE(BigInt(start), 1);
        opened.writeUInt8(resumed ? 1 : 0, 9);
        peer.send(opened);
        if (known) push();
        else {
          print('\x1b]2;demo@ssh1: ~\x07\x1b[1;32mdemo@ssh1\x1b[0m:\x1b[1;34m~\x1b[0m$ ls --color\r\n');
          print('\x1b[1;34mDocuments\x1b[0m  \x1b[1;36mlink\x1b[0m  notes.txt  \x1b[1;32mrun.sh\x1b[0m  \x1b[1;31mold.tar.gz\x1b[0m\r\n');
          print('\x1b[1;32mdemo@ssh1\x1b[0m:\x1b[1;34m~\x1b[0m$ ');
        }
        break;
      }
      case 0x01:
        for (const char of frame.subarray(1).toString()) {
          if (char === '\r') {
            run(shell.line.trim());
            shell.line = '';
          } else {
            shell.line += char;
            print(char);
          }
        }
        break;
      case 0x03:
        shell.acked = Number(frame.readBigUInt64BE(1));
        push();
        break;
    }
  });

  function run(line) {
    if (line.startsWith('seq ')) {
      const count = Number(line.slice(4));
      let text = '\r\n';
      for (let at = 1; at <= count; at += 1) text += `${at}\r\n`;
      print(`${text}$ `);
    } else if (line.startsWith('exit')) {
      shell.over = true;
      shell.status = Number(line.slice(5)) || 0;
      print('\r\nlogout\r\n');
    } else if (line === 'bell') print('\x07\r\n$ ');
    else print(`\r\n${line}: not found\r\n$ `);
  }
}
