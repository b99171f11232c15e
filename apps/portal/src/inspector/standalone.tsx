import { render } from 'preact'
import { showHidden } from '../ui/visible.ts'
import { Inspector } from './inspector.tsx'

showHidden()

/** The inspector without the portal: a folder of files that anyone can host. */
render(
  <main id="content" tabIndex={-1}>
    <Inspector />
  </main>,
  document.querySelector('#portal')!,
)
