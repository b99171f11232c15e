import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../clock/clock.ts'
import { ServiceError, toErrorBody } from '../errors/errors.ts'
import type { Logger } from '../log/logger.ts'
import type { Held, OperationRecords } from './records.ts'
import type { OperationStep, SagaDefinition, SagaStep, StepContext } from './saga.ts'

/**
 * Attempts at undoing a step, at reporting the operation's end, and at a step that met other requests, with a doubling
 * pause starting at this.
 */
const attempts = 4
const firstPauseMs = 250

/** No operation state can be written meanwhile, so none fails for this: it continues once the database is back. */
const storeIsAway = (error: unknown): boolean => error instanceof ServiceError && error.code === 'StoreUnavailable'

/** Its transaction did nothing. A client would repeat its request; nobody else repeats an operation's step. */
const metOthers = (error: unknown): boolean => error instanceof ServiceError && error.code === 'ServerBusy'

/** Thrown internally, never recorded: the operation continues elsewhere or later. */
class Interrupted extends Error {}

/** One operation held by one runner, continued from where the last one left it. */
export class Execution {
  readonly #held: Held
  readonly #definition: SagaDefinition<unknown>
  readonly #records: OperationRecords
  readonly #owner: string
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #abort = new AbortController()
  #interrupted = false
  #leaseLost = false
  #saving: Promise<void> = Promise.resolve()

  constructor(o: {
    held: Held
    definition: SagaDefinition<unknown>
    records: OperationRecords
    owner: string
    clock: Clock
    logger: Logger
  }) {
    this.#held = o.held
    this.#definition = o.definition
    this.#records = o.records
    this.#owner = o.owner
    this.#clock = o.clock
    this.#logger = o.logger
  }

  interrupt(): void {
    this.#interrupted = true
    this.#abort.abort(new Interrupted())
  }

  loseLease(): void {
    this.#leaseLost = true
    this.#interrupted = true
    this.#abort.abort(new Interrupted())
  }

  cancel(): void {
    this.#held.cancelRequested = true
    if (this.#held.status === 'Running') this.#abort.abort(canceled())
  }

  /** @throws ServiceError StoreUnavailable, and what else keeps the state from being written */
  async run(): Promise<void> {
    try {
      if (this.#held.status === 'Running') await this.#forward()
      if (this.#held.status === 'Undoing') await this.#backward()
      await this.#finish()
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error
      await this.#saving
      if (!this.#leaseLost) await this.#records.release(this.#held.id, this.#owner)
    }
  }

  async #forward(): Promise<void> {
    for (const record of this.#held.steps) {
      if (record.state === 'Done') continue
      try {
        if (this.#held.cancelRequested) throw canceled()
        await this.#doStep(record)
      } catch (error) {
        if (this.#interrupted || error instanceof Interrupted) throw new Interrupted()
        if (storeIsAway(error)) throw error
        // An aborted step reports the abortion with its own error.
        const cause = this.#held.cancelRequested ? canceled() : error
        const { body, unexpected } = toErrorBody(cause, this.#held.id)
        if (unexpected) this.#logger.error({ err: cause, step: record.name }, 'step failed')
        else this.#logger.info({ code: body.error.code, step: record.name }, 'step failed')
        if (record.state === 'Running') {
          record.state = 'Failed'
          record.endedAt = this.#now()
          record.message = body.error.message
        }
        this.#held.error = body.error
        this.#held.status = 'Undoing'
        await this.#save()
        return
      }
    }
  }

  async #doStep(record: OperationStep): Promise<void> {
    record.state = 'Running'
    record.startedAt ??= this.#now()
    await this.#save()
    const step = this.#step(record)
    const result = await this.#persistently(
      async () => await step.do(this.#context(record, this.#abort.signal)),
      metOthers,
    )
    if (this.#leaseLost) throw new Interrupted()
    Object.assign(this.#held.data, result ?? {})
    record.state = 'Done'
    record.endedAt = this.#now()
    await this.#save()
    // The step completed in spite of the stop: the next runner continues after it.
    if (this.#interrupted) throw new Interrupted()
  }

  async #backward(): Promise<void> {
    // A cancellation does not interrupt undoing; only the end of this runner does.
    const signal = new AbortController()
    const forward = (): void => {
      if (this.#interrupted) signal.abort(new Interrupted())
    }
    this.#abort.signal.addEventListener('abort', forward)
    for (const record of this.#held.steps.toReversed()) {
      if (record.state !== 'Done') continue
      if (this.#interrupted) throw new Interrupted()
      try {
        await this.#persistently(async () => this.#step(record).undo?.(this.#context(record, signal.signal)))
        record.state = 'Undone'
      } catch (error) {
        if (this.#interrupted) throw new Interrupted()
        if (storeIsAway(error)) throw error
        this.#logger.error({ err: error, step: record.name }, 'step cannot be undone')
        const { body } = toErrorBody(error, this.#held.id)
        record.state = 'Failed'
        record.message = `Could not be undone: ${body.error.message}`
      }
      record.endedAt = this.#now()
      await this.#save()
    }
  }

  async #finish(): Promise<void> {
    const { cancelRequested, error, steps } = this.#held
    const wasCanceled = cancelRequested && error?.code === canceled().code
    const status = steps.every((step) => step.state === 'Done') ? 'Succeeded' : wasCanceled ? 'Canceled' : 'Failed'
    try {
      await this.#persistently(async () =>
        this.#definition.onFinished?.({
          operationId: this.#held.id,
          params: this.#held.params,
          data: this.#held.data,
          status,
          ...(error && { error }),
        }),
      )
    } catch (failure) {
      if (this.#interrupted) throw new Interrupted()
      if (storeIsAway(failure)) throw failure
      this.#logger.error({ err: failure }, 'the end of the operation cannot be reported')
      this.#held.error = error ?? toErrorBody(failure, this.#held.id).body.error
      await this.#saving
      await this.#records.finish(this.#held, this.#owner, 'Failed', this.#clock.now())
      return
    }
    await this.#saving
    await this.#records.finish(this.#held, this.#owner, status, this.#clock.now())
  }

  /** @param mayPass which errors another attempt may not meet */
  async #persistently<T>(work: () => Promise<T>, mayPass: (error: unknown) => boolean = () => true): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work()
      } catch (error) {
        if (this.#interrupted || attempt === attempts || !mayPass(error)) throw error
        await sleep(firstPauseMs * 2 ** (attempt - 1))
      }
    }
  }

  #context(record: OperationStep, signal: AbortSignal): StepContext<unknown> {
    return {
      operationId: this.#held.id,
      params: this.#held.params,
      data: this.#held.data,
      signal,
      log: this.#logger.child({ step: record.name }),
      progress: (message) => {
        record.message = message
        this.#save().catch((error: unknown) => {
          if (!(error instanceof Interrupted)) this.#logger.warn({ err: error }, 'progress cannot be saved')
        })
      },
    }
  }

  /** Another version of this program may have recorded the saga. */
  #step(record: OperationStep): SagaStep<unknown> {
    const step = this.#definition.steps.find((candidate) => candidate.name === record.name)
    if (step) return step
    throw new ServiceError({
      code: 'OperationStepUnknown',
      message: `The operation was started by another version and has a step that this one lacks.`,
      found: record.name,
      remedy: 'Repeat the request.',
    })
  }

  /** Writes are sequential, each with the state at its turn. */
  #save(): Promise<void> {
    const saved = this.#saving.then(async () => {
      if (this.#leaseLost || !(await this.#records.save(this.#held, this.#owner))) {
        this.loseLease()
        throw new Interrupted()
      }
    })
    this.#saving = saved.catch(() => {})
    return saved
  }

  #now(): string {
    return this.#clock.now().toISOString()
  }
}

function canceled(): ServiceError {
  return new ServiceError({ code: 'OperationCanceled', message: 'The operation was cancelled.' })
}
