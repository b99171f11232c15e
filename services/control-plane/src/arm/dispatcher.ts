import { ServiceError, toErrorBody } from '@strongroom/platform'
import type { Access } from './access.ts'
import type { ActivityLog } from './activity-log.ts'
import type { Attributes } from './roles/condition/condition.ts'
import type { Locks } from './locks.ts'
import { operationIdOf } from './operations.ts'
import { paged } from './paging.ts'
import { requireApiVersion, type ArmReply, type ArmRequest } from './request.ts'
import { signedIn, type Route, Router } from './router.ts'
import { substituteAt } from './substitutes.ts'

/** The path of every request, from a client or a deployment: route → role → lock → handler → activity log. */
export class Dispatcher {
  readonly #routes: () => Route[]
  #compiled: Router | undefined
  readonly #subscriptionId: string
  readonly #access: Access
  readonly #locks: Locks
  readonly #activity: ActivityLog

  constructor(o: {
    routes: () => Route[]
    subscriptionId: string
    access: Access
    locks: Locks
    activity: ActivityLog
  }) {
    this.#routes = o.routes
    this.#subscriptionId = o.subscriptionId
    this.#access = o.access
    this.#locks = o.locks
    this.#activity = o.activity
  }

  get #router(): Router {
    return (this.#compiled ??= new Router(this.#routes()))
  }

  /** Whether the resource manager has the route: unknown types in a template are refused before anything is created. */
  knows(method: ArmRequest['method'], path: string): boolean {
    return this.#router.match(method, path) !== undefined
  }

  /**
   * The role that the request needs, for checks before a deployment. A right whose condition depends on what is only
   * known when the request is sent is not refused yet.
   * @param o.body as far as it is known
   * @throws ServiceError AuthorizationFailed
   */
  async authorise(
    request: Pick<ArmRequest, 'method' | 'path' | 'caller'>,
    o: { body?: () => Promise<unknown> } = {},
  ): Promise<void> {
    const match = this.#router.match(request.method, request.path)
    if (match === undefined) throw this.#notFound(request)
    const { route, params, path } = match
    if (route.action === signedIn) return
    const attributes = async (): Promise<Attributes[] | undefined> =>
      await route.attributes?.({ path, params, body: await o.body?.() })
    await this.#access.require(request.caller, route.action, path, { attributes, ahead: true })
  }

  /** @throws ServiceError if the request is refused */
  async answer(request: ArmRequest): Promise<ArmReply> {
    const match = this.#router.match(request.method, request.path)
    if (match === undefined) throw this.#notFound(request)
    const { route, params, path } = match
    const action = route.action === signedIn ? 'signed-in' : route.action
    const changes = !action.toLowerCase().endsWith('/read') && action !== 'signed-in'
    // As Azure's: it has writes, deletions and actions. Refused reads would let anyone who is signed in fill it.
    const record = async (status: number, operationId?: string): Promise<void> => {
      if (!changes) return
      const { caller, correlationId } = request
      const row = { caller: caller.objectId, action, resourceId: path, status, correlationId, operationId }
      await this.#activity.write(row)
    }
    try {
      requireApiVersion(request.query)
      requireSubscription(path, this.#subscriptionId)
      if (route.action !== signedIn) {
        const attributes = async (): Promise<Attributes[] | undefined> =>
          await route.attributes?.({ path, params, body: request.body })
        await this.#access.require(request.caller, route.action, path, { attributes })
      }
      if (changes) await this.#locks.require({ method: request.method, action, path })
      const handled = { ...request, path, params }
      const answer = paged(handled, await route.handle(handled))
      await record(answer.status, operationIdOf(answer))
      return answer
    } catch (error) {
      await record(toErrorBody(error, request.correlationId).status)
      throw error
    }
  }

  #notFound(request: Pick<ArmRequest, 'method' | 'path'>): ServiceError {
    const methods = this.#router.methods(request.path)
    if (methods.length > 0) {
      return new ServiceError({
        code: 'HttpMethodNotAllowed',
        message: `The requested resource does not support http method '${request.method}'.`,
        expected: methods.join(', '),
        found: request.method,
        headers: { allow: methods.join(', ') },
      })
    }
    const instead = substituteAt(request.path)
    return new ServiceError({
      code: 'InvalidResourceType',
      status: 404,
      message:
        `The resource type of '${request.path.slice(0, 300)}' could not be found in this ` +
        `installation.${instead === undefined ? '' : ` ${instead}`}`,
      remedy: instead ?? 'List what exists with GET /subscriptions/{subscription}/providers.',
    })
  }
}

function requireSubscription(path: string, subscriptionId: string): void {
  const [, first, found] = path.split('/')
  if (first!.toLowerCase() !== 'subscriptions' || found === undefined) return
  if (found.toLowerCase() === subscriptionId.toLowerCase()) return
  throw new ServiceError({
    code: 'SubscriptionNotFound',
    message: `The subscription '${found}' could not be found.`,
    remedy: 'Use the subscription that `strongroom status` shows.',
  })
}
