import type { Operation } from '@strongroom/platform'
import type { OnBehalfOf } from '../arm/on-behalf-of.ts'
import type { ArmReply, ArmRequest } from '../arm/request.ts'
import type { Route } from '../arm/router.ts'
import type { Plane } from '../plane.ts'
import type { Db, Json, Resource } from '../store/resources.ts'
import type { Meter, MeteredRow } from './meter.ts'
import type { NameForm } from './name-form.ts'

/** Why a resource cannot be moved, whatever its type may. */
interface Staying {
  message: string
  expected: string
  found: string
  remedy: string
}

/** Answers a request at a resource that is there. */
export type AtResource<Internal = Json> = {
  // As a method, so that one for a type's own rows is one of the types of all.
  answer(plane: Plane, request: ArmRequest, resource: Resource<Internal>): Promise<ArmReply>
}['answer']

/** Such answers by name. */
export type Answers<Internal = Json> = Readonly<Record<string, AtResource<Internal>>>

/**
 * One type of resource that lies in a resource group: all that the resource manager knows of it. Design 0011 says what reads
 * which member.
 */
export interface ResourceType<Internal = unknown> {
  /** Namespace and type as the provider spells them, for example Microsoft.Compute/virtualMachines. */
  readonly spelling: string
  /** What a new one may be called; left out: `create` says. */
  readonly name?: NameForm
  /** Written with its parent and kept in the parent's row: `routes` alone serve it. */
  readonly inParent?: true
  /** Types that its resources refer to, which go after it when a group is emptied. */
  readonly refersTo?: readonly string[]
  /** What is within a resource has to be deleted before it. Left out: it is deleted too. */
  readonly emptiedFirst?: true

  /** As clients see it; left out: what every resource shows. @param listed whether it is one of a list */
  view?(
    plane: Plane,
    resource: Resource<Internal>,
    request: ArmRequest,
    listed: boolean,
  ): Record<string, unknown> | Promise<Record<string, unknown>>
  /** Whether a list that is asked for with a `$filter` has the resource. Left out: filters change nothing. */
  listed?(request: ArmRequest, resource: Resource<Internal>): boolean
  /** Of a PUT, before anything is looked up. @throws ServiceError where the body can be none of the type */
  check?(request: ArmRequest): void
  /** PUT of what is not there. @param parent the group, or what the resource is within */
  create?(plane: Plane, request: ArmRequest, parent: Resource): Promise<ArmReply>
  /** PUT and PATCH of what is there. */
  change?(plane: Plane, request: ArmRequest, existing: Resource<Internal>): Promise<ArmReply>
  /** POST of what can be done with one, by the name that path and action have. */
  readonly actions?: Answers<Internal>
  /** GET of what one has beside itself, likewise. */
  readonly reads?: Answers<Internal>
  /** What it has beyond lists, GET, PUT, PATCH and DELETE, `actions` and `reads`. */
  routes?(plane: Plane): Route[]

  /** @throws ServiceError where something still uses it */
  assertUnused?(plane: Plane, tx: Db, resource: Resource<Internal>): Promise<void>
  /** Gives back what it holds in others' rows, in the transaction that removes its own. */
  released?(plane: Plane, tx: Db, resource: Resource<Internal>): Promise<void>
  /** What other services have of it goes. Idempotent: a deletion that was cut off is repeated. */
  forget?(plane: Plane, asker: OnBehalfOf, resource: Resource<Internal>): Promise<void>
  /** Forgotten while its row is held, so that nothing comes to use it meanwhile: the other service has to answer at once. */
  readonly forgetsHeld?: true
  /** Deletion by an operation, which removes the row itself. Undefined: there is nothing to wait for. */
  remove?(plane: Plane, asker: OnBehalfOf, resource: Resource<Internal>): Promise<Operation | undefined>
  /** For the test API: what deletions leave behind, for example soft-deleted vaults. */
  purge?(plane: Plane): Promise<void>

  /** Whether Azure moves it between groups. */
  readonly movable?: true
  /** What one must be allowed at a resource beside writing it, to move it. */
  readonly moveAction?: string
  stays?(resource: Resource<Internal>): Staying | undefined
  /** ARM id of the resource whose operations may hold this one's id. */
  holder?(resource: Resource<Internal>): string | undefined
  /** Tells other services that the resource has another id, before the move is committed. */
  moved?(plane: Plane, asker: OnBehalfOf, tx: Db, resource: Resource<Internal>, from: string): Promise<void>

  /** What a resource, as its row stands, is using: a pure function of the row, so that usage changes with the row alone. */
  meters?(row: MeteredRow): Meter[]
  /** Makes the operations of the type known to the runners. */
  define?(plane: Plane): void
}
