import { ServiceError } from '@strongroom/platform'
import { codeOf, loadModule, restartModule, type Binding, type Handle, type Module } from './module.ts'

export interface TokenOptions {
  /** Absolute path of the shared library. */
  module: string
  /** Label of the token. */
  label: string
  /** Reads the user's PIN, which is not stored. */
  pin: () => Promise<string>
  /** The token that earlier keys were created in; another one with the same label is refused. */
  serial?: string
}

export interface Session {
  binding: Binding
  module: Module
  handle: Handle
}

const sessionsAtOnce = 4
/** CKS_RW_USER_FUNCTIONS, PKCS#11 section 3.3; the binding does not name it. */
const loggedIn = 3
/** Session handles are chosen by the module; found objects stay valid while any session lives. */
const rememberedObjects = 4096

/** A token with a logged-in pool of sessions. If it is lost, each use reports it and tries to reconnect. */
export class Token {
  readonly serial: string
  readonly #o: TokenOptions
  readonly #binding: Binding
  readonly #module: Module
  #idle: Handle[] = []
  #open = 0
  #lost = false
  #reopening: Promise<void> | undefined
  readonly #waiting: (() => void)[] = []
  readonly #objects = new Map<string, Handle>()
  #slot: Handle

  private constructor(o: TokenOptions, binding: Binding, module: Module, serial: string, slot: Handle) {
    this.#o = o
    this.#slot = slot
    this.#binding = binding
    this.#module = module
    this.serial = serial
  }

  /** @throws ServiceError TokenMissing, TokenChanged, TokenPinWrong, TokenPinLocked or those of loadModule */
  static async open(o: TokenOptions): Promise<Token> {
    const { binding, module } = await loadModule(o.module)
    const { slot, serial } = findSlot(module, o)
    const token = new Token(o, binding, module, serial, slot)
    await token.#logIn()
    return token
  }

  /**
   * Runs `work` with a session for its exclusive use.
   * @throws ServiceError 503 TokenUnavailable if the token is lost; otherwise whatever `work` throws
   */
  async withSession<T>(work: (session: Session) => Promise<T>): Promise<T> {
    if (this.#lost) await this.#reopen()
    let handle = await this.#take()
    try {
      return await work({ binding: this.#binding, module: this.#module, handle })
    } catch (error) {
      if (codeOf(error) === undefined) throw error
      if (!this.#isAlive(handle)) {
        this.#lost = true
        throw this.#unavailable(error)
      }
      // A failure may have left an operation open, which would block the next one.
      handle = this.#replaced(handle)
      throw error
    } finally {
      this.#giveBack(handle)
    }
  }

  /** The one object with this class and id; undefined if the token has none. */
  find(session: Session, objectClass: number, id: Buffer): Handle | undefined {
    const { binding, module, handle } = session
    const place = `${objectClass}/${id.toString('hex')}`
    const known = this.#objects.get(place)
    if (known && hasId(session, known, id)) return known
    module.C_FindObjectsInit(handle, [
      { type: binding.CKA_CLASS, value: objectClass },
      { type: binding.CKA_TOKEN, value: true },
      { type: binding.CKA_ID, value: id },
    ])
    let found: Handle[]
    try {
      found = module.C_FindObjects(handle, 2)
    } finally {
      module.C_FindObjectsFinal(handle)
    }
    if (found.length > 1) throw new Error('two objects of one id')
    const [object] = found
    if (object) {
      if (this.#objects.size >= rememberedObjects) this.#objects.clear()
      this.#objects.set(place, object)
    }
    return object
  }

  /** The slot that the token is in now. */
  get slot(): Handle {
    return this.#slot
  }

  close(): void {
    for (const handle of this.#idle.splice(0)) this.#closeSession(handle)
  }

  async #logIn(): Promise<void> {
    const binding = this.#binding
    const handles = Array.from({ length: sessionsAtOnce }, () => this.#openSession())
    try {
      this.#module.C_Login(handles[0]!, binding.CKU_USER, await this.#o.pin())
    } catch (error) {
      if (codeOf(error) !== binding.CKR_USER_ALREADY_LOGGED_IN) {
        for (const handle of handles) this.#closeSession(handle)
        throw loginRefused(binding, this.#o.label, error)
      }
    }
    this.#idle = handles
    this.#open = handles.length
  }

  /** One attempt at a time; others wait for its end. */
  #reopen(): Promise<void> {
    this.#reopening ??= this.#reopenOnce().finally(() => (this.#reopening = undefined))
    return this.#reopening
  }

  async #reopenOnce(): Promise<void> {
    try {
      // Sessions of a token that was away are void, and its connections must be recreated.
      if (this.#idle.length < this.#open) throw new Error('uses of the lost token have not ended yet')
      this.#objects.clear()
      restartModule(this.#binding, this.#module)
      this.#slot = findSlot(this.#module, { ...this.#o, serial: this.serial }).slot
      await this.#logIn()
      this.#lost = false
    } catch (error) {
      if (error instanceof ServiceError && error.code !== 'TokenMissing') throw error
      throw this.#unavailable(error)
    }
  }

  #unavailable(cause: unknown): ServiceError {
    return new ServiceError({
      code: 'TokenUnavailable',
      message: `The token ${this.#o.label} (serial ${this.serial}) does not answer; no other keystore is used instead.`,
      expected: 'the token in its slot, with its module running',
      found: (cause as Error).message,
      remedy: 'Reconnect the token or start the service it depends on, then repeat the request.',
      headers: { 'retry-after': '10' },
      cause,
    })
  }

  #isAlive(handle: Handle): boolean {
    try {
      const { state } = this.#module.C_GetSessionInfo(handle)
      return state === loggedIn
    } catch {
      return false
    }
  }

  async #take(): Promise<Handle> {
    const idle = this.#idle.pop()
    if (idle) return idle
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
    return this.#take()
  }

  #giveBack(handle: Handle): void {
    this.#idle.push(handle)
    this.#waiting.shift()?.()
  }

  #openSession(): Handle {
    const { CKF_SERIAL_SESSION, CKF_RW_SESSION } = this.#binding
    return this.#module.C_OpenSession(this.#slot, CKF_SERIAL_SESSION | CKF_RW_SESSION)
  }

  /** The new session first: when the last one closes, the user is logged out. */
  #replaced(handle: Handle): Handle {
    try {
      const fresh = this.#openSession()
      this.#closeSession(handle)
      return fresh
    } catch {
      this.#lost = true
      return handle
    }
  }

  #closeSession(handle: Handle): void {
    try {
      this.#module.C_CloseSession(handle)
    } catch {
      // The token is away, and the session with it.
    }
  }
}

function hasId({ binding, module, handle }: Session, object: Handle, id: Buffer): boolean {
  try {
    const [attribute] = module.C_GetAttributeValue(handle, object, [{ type: binding.CKA_ID }])
    return Buffer.from(attribute!.value as Buffer).equals(id)
  } catch {
    return false
  }
}

function findSlot(module: Module, o: { label: string; serial?: string }): { slot: Handle; serial: string } {
  const tokens = module.C_GetSlotList(true).map((slot) => {
    const info = module.C_GetTokenInfo(slot)
    return { slot, label: info.label.trimEnd(), serial: info.serialNumber.trimEnd() }
  })
  const labelled = tokens.filter((token) => token.label === o.label)
  const found = labelled.filter((token) => o.serial === undefined || token.serial === o.serial)
  if (found.length === 1) return { slot: found[0]!.slot, serial: found[0]!.serial }
  const seen = tokens.map((token) => `${token.label} (serial ${token.serial})`).join(', ') || 'no token'
  if (o.serial !== undefined && labelled.length > 0) {
    throw new ServiceError({
      code: 'TokenChanged',
      message: `The keys of this vault were created in another token; the one labelled ${o.label} does not have them.`,
      expected: `serial ${o.serial}`,
      found: seen,
      remedy: 'Reconnect the token that has the keys.',
    })
  }
  throw new ServiceError({
    code: 'TokenMissing',
    message: `There is not exactly one token labelled ${o.label}; no other keystore is used instead.`,
    expected: `one token labelled ${o.label}${o.serial === undefined ? '' : `, serial ${o.serial}`}`,
    found: seen,
    remedy: 'Connect the token, or correct "token" in the keystore’s configuration.',
  })
}

function loginRefused(binding: Binding, label: string, cause: unknown): unknown {
  const code = codeOf(cause)
  if (code === undefined) return cause
  const locked = code === binding.CKR_PIN_LOCKED
  return new ServiceError({
    code: locked ? 'TokenPinLocked' : 'TokenPinWrong',
    message: `The token ${label} refused the login: ${(cause as Error).message}`,
    expected: 'its user PIN',
    found: locked ? 'a locked PIN' : 'another PIN',
    remedy: locked
      ? 'Ask its security officer to unlock it.'
      : 'Correct the PIN file. The service does not retry automatically: tokens lock after a few attempts.',
    cause,
  })
}
