import { randomBytes } from 'node:crypto'

/**
 * The attacker's proof that its code ran: random text put on the serial console, or random data found in the guest.
 * Code contains it in two halves, so that a log that only repeats the code does not show it.
 */
export interface Mark {
  name: string
  /** As it appears where it was put. */
  text: string
  /** A shell command for root that writes it to the serial console. Only `'` as quotes. */
  shell: string
}

export function makeMark(name: string): Mark {
  const [first, second] = [randomBytes(5).toString('hex'), randomBytes(5).toString('hex')]
  return {
    name,
    text: `DRILL${first}${second}`,
    shell: `printf 'DRILL%%s%%s ' ${first} ${second} >/dev/ttyS0`.replaceAll('%%', '%'),
  }
}

/** A systemd service that leaves a mark; percent signs are specifiers there. */
export function markingUnit(mark: Mark, section = ''): string {
  return `[Unit]\nDefaultDependencies=no\n${section}[Service]\nType=oneshot\nExecStart=-/bin/sh -c "${unitShell(mark)}"\n`
}

export const unitShell = (mark: Mark): string => mark.shell.replaceAll('%', '%%')
