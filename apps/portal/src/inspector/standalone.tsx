import { render } from 'preact'
import { Inspector } from './inspector.tsx'

/** The inspector without the portal: a folder of files that anyone can host. */
render(
  <main id="content" tabIndex={-1}>
    <Inspector />
  </main>,
  document.querySelector('#portal')!,
)
