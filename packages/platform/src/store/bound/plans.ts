import {
  InsertQueryNode,
  UpdateQueryNode,
  type CompiledQuery,
  type DeleteQueryNode,
  type QueryCompiler,
  type SelectQueryNode,
} from 'kysely'
import type { Binding } from './binding.ts'
import type { Row } from './bound-table.ts'
import { planDelete, remove, type DeletePlan } from './delete.ts'
import { insert, planInsert, type InsertPlan } from './insert.ts'
import { returned } from './returning.ts'
import { planSelect, type SelectPlan } from './select.ts'
import { planUpdate, update, type UpdatePlan } from './update.ts'
import type { Work } from './work.ts'

/** Services use a few hundred different statements; texts made up for one call are soon evicted. */
const kept = 500

/** How each statement is verified and bound, by its text, which determines everything but the parameters. */
export class Plans {
  readonly #binding: Binding
  readonly #compiler: QueryCompiler
  readonly #selects = new Map<string, SelectPlan>()
  readonly #inserts = new Map<string, InsertPlan>()
  readonly #updates = new Map<string, UpdatePlan>()
  readonly #deletes = new Map<string, DeletePlan>()
  #edition = 0

  constructor(binding: Binding, compiler: QueryCompiler) {
    this.#binding = binding
    this.#compiler = compiler
  }

  select(sql: string, node: SelectQueryNode): SelectPlan {
    this.#forgetEarlier()
    return remembered(this.#selects, sql, () => planSelect(node, this.#binding, this.#compiler))
  }

  /** @returns how many rows were written, and the requested columns @throws ServiceError RowAltered */
  async write(
    query: CompiledQuery,
    node: InsertQueryNode | UpdateQueryNode | DeleteQueryNode,
    on: Work,
  ): Promise<{ count: number; rows: Row[] }> {
    this.#forgetEarlier()
    const [binding, compiler] = [this.#binding, this.#compiler]
    const { sql, parameters } = query
    if (InsertQueryNode.is(node)) {
      const plan = remembered(this.#inserts, sql, () => planInsert(node, binding, compiler))
      return told(plan, await insert(plan, parameters, on))
    }
    if (UpdateQueryNode.is(node)) {
      const plan = remembered(this.#updates, sql, () => planUpdate(node, binding, compiler))
      return told(plan, await update(plan, parameters, on))
    }
    const plan = remembered(this.#deletes, sql, () => planDelete(node, binding, compiler))
    return told(plan, await remove(plan, parameters, on))
  }

  #forgetEarlier(): void {
    if (this.#edition === this.#binding.edition) return
    for (const plans of [this.#selects, this.#inserts, this.#updates, this.#deletes]) plans.clear()
    this.#edition = this.#binding.edition
  }
}

const told = (plan: { returning: string[] | undefined }, rows: Row[]): { count: number; rows: Row[] } => ({
  count: rows.length,
  rows: returned(plan.returning, rows),
})

function remembered<Plan>(plans: Map<string, Plan>, sql: string, make: () => Plan): Plan {
  let plan = plans.get(sql)
  if (plan === undefined) {
    plans.set(sql, (plan = make()))
    if (plans.size > kept) plans.delete(plans.keys().next().value!)
  }
  return plan
}
