//! netevd(8) from the real options, compared with the file that is shipped. `make man` writes it
//! again.

use crate::cli::Cli;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use std::path::{Path, PathBuf};

/// What no option says: files, environment, exit status, signals, examples.
const END: &str = include_str!("../man/netevd.8.end");

/// Of the last change that matters to a reader.
const DATE: &str = "2026-11-24";

fn page() -> String {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let man = Man::new(command.clone()).title("NETEVD").section("8").date(DATE).manual("netevd");
    let mut page = Vec::new();
    man.render_title(&mut page).expect("written");
    man.render_name_section(&mut page).expect("written");
    man.render_synopsis_section(&mut page).expect("written");
    man.render_description_section(&mut page).expect("written");
    man.render_options_section(&mut page).expect("written");
    let mut page = String::from_utf8(page).expect("UTF-8");
    page.push_str(
        ".PP\nAn option that stands before a command is given to it; it is wrong usage where the command has no \
         use for it.\n.SH COMMANDS\n",
    );
    commands(&command, &mut Vec::new(), &mut page);
    page.push_str(END);
    page
}

/// Each command with its options, those below it in its place.
fn commands(command: &Command, above: &mut Vec<String>, page: &mut String) {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        above.push(sub.get_name().to_owned());
        if sub.has_subcommands() {
            commands(sub, above, page);
        } else {
            let plain = sub.clone().mut_arg("help", |help| help.hide(true));
            page.push_str(&format!(".SS netevd {}\n", escaped(&above.join(" "))));
            page.push_str(&format!(
                "{}.\n",
                escaped(&sub.get_about().expect("each says what it does").to_string())
            ));
            let mut options = Vec::new();
            Man::new(plain).render_options_section(&mut options).expect("written");
            let options = String::from_utf8(options).expect("UTF-8");
            page.extend(options.lines().filter(|line| *line != ".SH OPTIONS").flat_map(|line| [line, "\n"]));
        }
        above.pop();
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(name)
}

#[test]
fn the_page_has_the_real_options() {
    let page = page();
    if std::env::var_os("NETEVD_WRITE_MANUAL").is_some() {
        std::fs::write(file("netevd.8"), &page).expect("written");
    }
    let shipped = std::fs::read_to_string(file("netevd.8")).expect("man/netevd.8");
    for (number, (shipped, real)) in shipped.lines().zip(page.lines()).enumerate() {
        assert_eq!(shipped, real, "line {} of man/netevd.8: make man", number + 1);
    }
    assert_eq!(shipped.lines().count(), page.lines().count(), "make man");
}
