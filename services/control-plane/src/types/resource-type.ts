import type { Operation } from '@strongroom/platform'
import type { OnBehalfOf } from '../arm/on-behalf-of.ts'
import type { ArmReply, ArmRequest } from '../arm/request.ts'
import type { Route } from '../arm/router.ts'
import type { Plane } from './plane.ts'
import type { Db, Json, Resource } from '../store/resources.ts'
import type { Along } from './along.ts'
import type { Meter, MeteredRow } from './meter.ts'
import type { Members } from './members.ts'
import type { NameForm } from './name-form.ts'

/** Why a resource cannot be moved, even if its type can. */
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
 * One type of resource in a resource group: everything that the resource manager knows about it. Design 0011 says what reads
 * which member.
 */
export interface ResourceType<Internal = unknown> {
  /** Namespace and type as the provider spells them, for example Microsoft.Compute/virtualMachines. */
  readonly spelling: string
  /** What its requests may have: everything else is refused by name. Every type that is written has them. */
  readonly members?: Members
  /** Members at the top of a PATCH that it changes; default: all. */
  readonly patched?: readonly string[]
  /** Allowed names of new ones; by default `create` decides. */
  readonly name?: NameForm
  /** Written with its parent and stored in the parent's row: only `routes` serve it. */
  readonly inParent?: true
  /** Types that its resources refer to, which are deleted later when a group is emptied. */
  readonly refersTo?: readonly string[]
  /** Whether nested resources must be deleted first. By default they are deleted with it. */
  readonly emptiedFirst?: true

  /** As clients see it; default: what every resource shows. @param listed whether it is one of a list */
  view?(
    plane: Plane,
    resource: Resource<Internal>,
    request: ArmRequest,
    listed: boolean,
  ): Record<string, unknown> | Promise<Record<string, unknown>>
  /** Whether a list with a `$filter` includes the resource. By default filters are ignored. */
  listed?(request: ArmRequest, resource: Resource<Internal>): boolean
  /** For a PUT, before anything is looked up. @throws ServiceError if the body cannot be of the type */
  check?(request: ArmRequest): void
  /** PUT of a new one. @param parent the group, or the resource it is nested in */
  create?(plane: Plane, request: ArmRequest, parent: Resource): Promise<ArmReply>
  /** PUT and PATCH of an existing one. */
  change?(plane: Plane, request: ArmRequest, existing: Resource<Internal>): Promise<ArmReply>
  /** POST of what can be done with one, by the name that path and action have. */
  readonly actions?: Answers<Internal>
  /** GET of what one has beside itself, likewise. */
  readonly reads?: Answers<Internal>
  /** What it has beyond lists, GET, PUT, PATCH and DELETE, `actions` and `reads`. */
  routes?(plane: Plane): Route[]

  /** What its deletion deletes or changes beside it: checked before the deletion begins. */
  along?(plane: Plane, resource: Resource<Internal>): Promise<Along[]>
  /** @throws ServiceError where something still uses it */
  assertUnused?(plane: Plane, tx: Db, resource: Resource<Internal>): Promise<void>
  /** Releases what it holds in others' rows, in the transaction that removes its own. */
  released?(plane: Plane, tx: Db, resource: Resource<Internal>): Promise<void>
  /** Removes what other services store for it. Idempotent: an interrupted deletion is repeated. */
  forget?(plane: Plane, asker: OnBehalfOf, resource: Resource<Internal>): Promise<void>
  /** Forgotten while its row is locked, so that nothing starts using it meanwhile: the other service must answer quickly. */
  readonly forgetsHeld?: true
  /**
   * Deletion by an operation, which removes the row itself. Undefined if there is nothing to wait for.
   * @param within scope whose deletion is asked for
   */
  remove?(
    plane: Plane,
    asker: OnBehalfOf,
    resource: Resource<Internal>,
    within?: string,
  ): Promise<Operation | undefined>
  /** For the test API: removes what deletions leave behind, for example soft-deleted vaults. */
  purge?(plane: Plane): Promise<void>

  /** Whether Azure moves it between groups. */
  readonly movable?: true
  /** Right needed to move a resource, besides writing it. */
  readonly moveAction?: string
  stays?(resource: Resource<Internal>): Staying | undefined
  /** ARM id of the resource whose operations may hold this one's id. */
  holder?(resource: Resource<Internal>): string | undefined
  /** Informs other services of the resource's new id, before the move is committed. */
  moved?(plane: Plane, asker: OnBehalfOf, tx: Db, resource: Resource<Internal>, from: string): Promise<void>

  /** A resource's current usage: a pure function of its row, so that usage changes only with the row. */
  meters?(row: MeteredRow): Meter[]
  /** Registers the type's operations with the runners. */
  define?(plane: Plane): void
}
