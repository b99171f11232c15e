import { AsyncLocalStorage } from 'node:async_hooks'
import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../clock/clock.ts'
import { ServiceError } from '../errors/errors.ts'
import type { Logger } from '../log/logger.ts'
import type { Database, Store } from '../store/store-types.ts'
import { Execution } from './execution.ts'
import { createLeaseHolder } from './lease-holder.ts'
import { OperationRecords, operationMigrations } from './records.ts'
import type { Operation, SagaDefinition } from './saga.ts'

const pollMs = 500
const keepDays = 30
/** How long a stop waits for a step that ignores its signal. */
const stopGraceMs = 3_000

/**
 * Runs sagas: their steps in order, undone in reverse if one fails. Every state is persisted, and an operation belongs
 * to the runner that holds its lease; when that process dies another continues at the same step. Operations of one
 * resource run one after the other, in submission order; those of one principal begin in that order.
 */
export class OperationRunner {
  readonly #store: Store
  readonly #records: OperationRecords
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #holder: string
  readonly #leaseMs: number
  readonly #definitions = new Map<string, SagaDefinition<unknown>>()
  readonly #executions = new Map<string, { execution: Execution; principal: string; ended: Promise<void> }>()
  /** `here` operations that this runner has not begun. */
  readonly #reserved = new Set<string>()
  readonly #ended = new EventEmitter().setMaxListeners(0)
  /** Work must not inherit the transaction in which an operation was submitted. */
  readonly #outside: <R>(work: () => R) => R = AsyncLocalStorage.snapshot()
  #migrated: Promise<void> | undefined
  #timers: NodeJS.Timeout[] = []
  #running = false
  #claiming: Promise<void> | undefined
  #claimAgain = false

  constructor(o: { store: Store; logger: Logger; clock: Clock; owner: string; leaseSeconds?: number }) {
    this.#store = o.store
    this.#records = new OperationRecords(o.store)
    this.#logger = o.logger
    this.#clock = o.clock
    this.#holder = createLeaseHolder(o.owner)
    this.#leaseMs = (o.leaseSeconds ?? 30) * 1000
  }

  /** Before start: operations of unknown kinds are left to other runners. */
  define<P>(definition: SagaDefinition<P>): void {
    const names = definition.steps.map((step) => step.name)
    if (new Set(names).size !== names.length) throw new TypeError(`two steps of ${definition.kind} have one name`)
    if (this.#definitions.has(definition.kind)) throw new TypeError(`${definition.kind} is defined already`)
    this.#definitions.set(definition.kind, definition as SagaDefinition<unknown>)
  }

  async start(): Promise<void> {
    if (this.#running) return
    await this.#migrate()
    await this.#records.removeEndedBefore(new Date(this.#clock.now().getTime() - keepDays * 24 * 3600_000))
    this.#running = true
    this.#timers = [
      setInterval(() => this.#kick(), Math.min(pollMs, this.#leaseMs / 2)),
      setInterval(() => void this.#renew(), this.#leaseMs / 3),
    ]
    this.#kick()
  }

  /** Interrupts and releases running operations: they continue at the same step at the next start. */
  async stop(): Promise<void> {
    this.#running = false
    for (const timer of this.#timers.splice(0)) clearInterval(timer)
    await this.#claiming
    for (const { execution } of this.#executions.values()) execution.interrupt()
    const grace = new AbortController()
    const ended = Promise.all([...this.#executions.values()].map((entry) => entry.ended))
    await Promise.race([ended, sleep(stopGraceMs, undefined, { signal: grace.signal }).catch(() => {})])
    grace.abort()
    // What still runs then writes nothing more; its lease expires.
    for (const { execution } of this.#executions.values()) execution.loseLease()
    this.#ended.emit('stopped')
  }

  /**
   * Records an operation; it starts at once unless another of the same resource is unfinished. With `tx` it is part of
   * the caller's transaction (in the same store; only after `start`, which creates the table). A repeated idempotency
   * key (per kind and resource) returns the first operation.
   * @param o.principal Object id of the requester, so that nobody's operations block those of others; undefined for the
   * platform
   * @param o.params JSON only, and no secrets: they are persisted in clear
   * @param o.here Only this runner works on it while it lives, because it has data that is not persisted.
   */
  async submit<P>(o: {
    kind: string
    resourceId: string
    principal: string | undefined
    params: P
    idempotencyKey?: string
    here?: boolean
    tx?: Database
  }): Promise<Operation> {
    const definition = this.#definitions.get(o.kind)
    if (!definition) throw new TypeError(`no operation of the kind ${o.kind} is defined`)
    const steps = definition.steps.map((step) => ({ name: step.name, state: 'Pending' as const }))
    const insert = (tx: Database): Promise<Operation> =>
      this.#records.insert({
        kind: o.kind,
        resourceId: o.resourceId,
        principal: o.principal ?? '',
        params: o.params,
        steps,
        ...(o.idempotencyKey !== undefined && { idempotencyKey: o.idempotencyKey }),
        now: this.#clock.now(),
        ...(o.here === true && { lease: { owner: this.#holder, until: this.#leaseEnd() } }),
        tx,
      })
    if (!o.tx) await this.#migrate()
    const operation = await (o.tx ? insert(o.tx) : this.#store.transaction(insert))
    if (o.here === true) this.#reserved.add(operation.id)
    this.#outside(() => this.#kick())
    // The caller's transaction may commit at any later time.
    if (o.tx) for (const delay of [5, 50, 200]) this.#outside(() => setTimeout(() => this.#kick(), delay).unref())
    return operation
  }

  get(id: string): Promise<Operation | undefined> {
    return this.#records.get(id)
  }

  /** Of this runner's kinds, oldest first. */
  async listUnfinished(): Promise<Operation[]> {
    return (await this.#records.listUnfinished()).filter(({ kind }) => this.#definitions.has(kind))
  }

  /** Newest first. */
  listFor(resourceId: string): Promise<Operation[]> {
    return this.#records.listFor(resourceId)
  }

  /**
   * A resource's unfinished operations, oldest first. No process submits another one until the caller's transaction
   * ends: if there are none, the caller may change what operations depend on.
   */
  holdOff(resourceId: string, tx: Database): Promise<Operation[]> {
    return this.#records.holdOff(resourceId, tx)
  }

  /**
   * Resolves when the operation has ended, in any process.
   * @throws ServiceError OperationNotFound; OperationInterrupted if this runner stops first
   */
  async wait(id: string): Promise<Operation> {
    const stopped = new AbortController()
    const wake = new EventEmitter()
    const onStop = (): void => {
      stopped.abort()
      wake.emit('wake')
    }
    const onEnd = (): boolean => wake.emit('wake')
    this.#ended.once('stopped', onStop)
    this.#ended.on(id, onEnd)
    try {
      for (;;) {
        const woken = new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, pollMs)
          wake.once('wake', () => {
            clearTimeout(timer)
            resolve()
          })
        })
        const operation = await this.#records.get(id)
        if (!operation) {
          throw new ServiceError({ code: 'OperationNotFound', message: `There is no operation ${id}.` })
        }
        if (operation.endedAt !== undefined) return operation
        if (stopped.signal.aborted) {
          throw new ServiceError({
            code: 'OperationInterrupted',
            message: `The server is stopping; operation ${id} resumes when it starts again.`,
            remedy: 'Start the server, then query the operation.',
          })
        }
        await woken
      }
    } finally {
      wake.emit('wake')
      this.#ended.off('stopped', onStop)
      this.#ended.off(id, onEnd)
    }
  }

  /** Asks an operation to end and undo its steps; false if it is too late. */
  async cancel(id: string): Promise<boolean> {
    const asked = await this.#records.requestCancel(id)
    if (asked) this.#executions.get(id)?.execution.cancel()
    return asked
  }

  #leaseEnd(): Date {
    return new Date(this.#clock.now().getTime() + this.#leaseMs)
  }

  #migrate(): Promise<void> {
    this.#migrated ??= this.#store.migrate('operations', operationMigrations)
    return this.#migrated
  }

  #kick(): void {
    if (!this.#running) return
    if (this.#claiming) {
      this.#claimAgain = true
      return
    }
    this.#claiming = this.#claim()
      .catch((error: unknown) => this.#logger.error({ err: error }, 'operations cannot be claimed'))
      .finally(() => {
        this.#claiming = undefined
        if (!this.#claimAgain) return
        this.#claimAgain = false
        this.#kick()
      })
  }

  async #claim(): Promise<void> {
    const now = this.#clock.now()
    const taken = await this.#records.claim({
      kinds: [...this.#definitions.keys()],
      owner: this.#holder,
      reserved: this.#reserved,
      busy: new Map([...this.#executions].map(([id, { principal }]) => [id, principal])),
      now,
      until: this.#leaseEnd(),
    })
    for (const held of taken) {
      this.#reserved.delete(held.id)
      const execution = new Execution({
        held,
        definition: this.#definitions.get(held.kind)!,
        records: this.#records,
        owner: this.#holder,
        clock: this.#clock,
        logger: this.#logger.child({ operationId: held.id, kind: held.kind }),
      })
      const ended = execution
        .run()
        .catch(async (error: unknown) => {
          // The store itself failed: the lease is released or expires, and the operation is resumed.
          this.#logger.error({ err: error, operationId: held.id }, 'operation was interrupted')
          await sleep(pollMs)
          await this.#records.release(held.id, this.#holder).catch(() => {})
        })
        .finally(() => {
          this.#executions.delete(held.id)
          this.#ended.emit(held.id)
          this.#kick()
        })
      this.#executions.set(held.id, { execution, principal: held.principal, ended })
    }
  }

  async #renew(): Promise<void> {
    const ids = [...this.#executions.keys(), ...this.#reserved]
    try {
      const kept = await this.#records.renew({ ids, owner: this.#holder, until: this.#leaseEnd() })
      for (const id of ids) {
        const entry = kept.find((lease) => lease.id === id)
        // Its transaction was rolled back, or another runner has claimed it.
        if (!entry) this.#reserved.delete(id)
        const execution = this.#executions.get(id)?.execution
        if (!entry) execution?.loseLease()
        else if (entry.cancelRequested) execution?.cancel()
      }
    } catch (error) {
      this.#logger.error({ err: error }, 'leases cannot be renewed')
    }
  }
}
