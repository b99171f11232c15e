import { Fuel } from '@strongroom/platform'
import { TemplateError } from './template-error.ts'
import { weightOf, type Obj, type Value } from './values.ts'

/** What a step costs: an expression, or a call in one. */
const perStep = 20
/** What a value of the template costs, a text or a list. */
export const valueUnits: number = 4
/** What comparing a name costs. */
const perName = 4
/** Nested loops multiply; no template meant for deployment needs as many. */
const mostSteps = 250_000
/** Characters of a value that a function reads or creates, for one unit. */
const charactersPerUnit = 4

/** For one request and every template in it. @throws TemplateError once it takes too many steps */
export const templateFuel = (isAbandoned?: () => boolean): Fuel =>
  new Fuel({
    most: mostSteps * perStep,
    exhausted: () =>
      new TemplateError(`The template takes more than ${mostSteps} steps to evaluate`, {
        expected: `at most ${mostSteps}`,
      }),
    isAbandoned,
  })

/** Counts a step, and gives other work its turn. */
export const takeStep = async (fuel: Fuel): Promise<void> => await takeUnits(fuel, perStep)

/** Counts a value of a template, and gives other work its turn. */
export const takeValue = async (fuel: Fuel): Promise<void> => await takeUnits(fuel, valueUnits)

async function takeUnits(fuel: Fuel, units: number): Promise<void> {
  fuel.take(units)
  if (fuel.isTurnDue) await fuel.turn()
}

/** Counts what a function is given or returns: their size is work (attack W22). */
export function takeSizes(fuel: Fuel, values: readonly Value[]): void {
  fuel.take(values.reduce<number>((sum, each) => sum + weightOf(each), 0) / charactersPerUnit)
}

/** Counts looking a member up: in another case than the template's, its name is compared with all others. */
export function takeLookUp(fuel: Fuel, object: Obj, name: string): void {
  if (!Object.hasOwn(object, name)) fuel.take(perName * Object.keys(object).length)
}
