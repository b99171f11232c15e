import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type axe from 'axe-core'
import type { Page } from 'playwright-core'
import { expect } from 'vitest'

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** No rule of axe is broken in light, dark and forced colours, and on a narrow screen nothing overflows the right edge. */
export async function expectAccessible(page: Page): Promise<void> {
  // Through the debugger: a page's policy lets no script in any other way.
  const loaded = await page.evaluate(() => 'axe' in globalThis)
  if (!loaded) await page.evaluate(source)
  for (const media of [
    { colorScheme: 'light', forcedColors: 'none' },
    { colorScheme: 'dark', forcedColors: 'none' },
    { colorScheme: 'light', forcedColors: 'active' },
  ] as const) {
    await page.emulateMedia({ ...media, reducedMotion: 'reduce' })
    const found = await page.evaluate(async () => {
      const { violations, passes } = await (globalThis as unknown as { axe: typeof axe }).axe.run()
      const broken = violations.map(
        ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`,
      )
      return { broken, passes: passes.length }
    })
    expect(found.broken, JSON.stringify(media)).toEqual([])
    expect(found.passes).toBeGreaterThan(5)
  }
  await page.emulateMedia({ colorScheme: null, forcedColors: null, reducedMotion: null })
  const size = page.viewportSize()
  await page.setViewportSize({ width: 360, height: 720 })
  await expect
    .poll(() => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth))
    .toBeLessThanOrEqual(0)
  if (size !== null) await page.setViewportSize(size)
}
