import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { run, type Sealer } from '@strongroom/platform'

/** libcrypt's alphabet. */
const alphabet = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** yescrypt with the costs of Debian's passwd, and 128 random bits: the last of 22 characters encodes two. */
function newSetting(): string {
  const bytes = [...randomBytes(22)]
  return `$y$j9T$${bytes.map((byte, index) => alphabet[index === 21 ? byte % 4 : byte % 64]).join('')}`
}

/** libcrypt's crypt(3) through perl, which every Debian has; the password is passed on standard input. */
async function crypt(password: string, setting: string): Promise<string> {
  const script = 'binmode STDIN; local $/; my $p = <STDIN>; print crypt($p, $ARGV[0]) // ""'
  const { stdout } = await run({ command: 'perl', args: ['-e', script, setting], stdin: password, timeoutMs: 30_000 })
  const hash = stdout.toString('latin1')
  if (!hash.startsWith('$y$')) throw new TypeError('libcrypt has no yescrypt')
  return hash
}

/** An administrator's password as stored: never in clear, its hash sealed. */
export interface SealedPassword {
  /** Base64; the hash that the guest receives. */
  sealed: string
  /** SHA-256 of the hash, hexadecimal: what the guest measures into PCR 14. Without the salt inside the hash it reveals nothing. */
  digest: string
}

/** Passwords of VMs' administrators. */
export class Passwords {
  readonly #sealer: Sealer

  constructor(sealer: Sealer) {
    this.#sealer = sealer.derive('vm-passwords')
  }

  /** @param vmId the VM's id at the host: a stored password opens for no other VM */
  async keep(password: string, vmId: string): Promise<SealedPassword> {
    const hash = await crypt(password, newSetting())
    const sealed = await this.#sealer.seal(Buffer.from(hash), vmId)
    return {
      sealed: Buffer.from(sealed).toString('base64'),
      digest: createHash('sha256').update(hash).digest('hex'),
    }
  }

  /** The hash, in the form of /etc/shadow. */
  async open(kept: SealedPassword, vmId: string): Promise<string> {
    const hash = await this.#sealer.open(Buffer.from(kept.sealed, 'base64'), vmId)
    return Buffer.from(hash).toString('latin1')
  }

  async matches(password: string, kept: SealedPassword, vmId: string): Promise<boolean> {
    const hash = Buffer.from(await this.open(kept, vmId))
    const found = Buffer.from(await crypt(password, hash.toString('latin1')))
    return found.length === hash.length && timingSafeEqual(found, hash)
  }
}
