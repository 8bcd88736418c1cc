//! URDFs as they are found: what nobody shows is passed over, what is no URDF is named, and nothing costs much.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nalgebra::Vector3;
use thalweg_view::body::{Form, Model, Posture};

/// No file takes longer than this, by far.
const PATIENCE: Duration = Duration::from_secs(10);

/// A link on a joint of its own, above the link before it.
fn joint(name: &str, parent: &str, child: &str, more: &str) -> String {
    format!(
        "<link name=\"{child}\"/>\n<joint name=\"{name}\" type=\"revolute\"><parent link=\"{parent}\"/><child link=\"{child}\"/>\n\
         <origin xyz=\"0 0 1\"/><axis xyz=\"1 0 0\"/>{more}</joint>\n"
    )
}

fn robot(content: &str) -> String {
    format!("<robot name=\"r\"><link name=\"base\"/>\n{content}</robot>")
}

fn taken(text: &str) -> Model {
    Model::parse(text, "r.urdf").unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(text: &str) -> String {
    let began = Instant::now();
    let error = Model::parse(text, "r.urdf").expect_err("no URDF").to_string();
    assert!(began.elapsed() < PATIENCE, "{error}");
    assert!(error.len() < 500 && !error.chars().any(char::is_control), "{error:?}");
    error
}

/// A new folder of this test.
fn folder(of: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("urdf-{of}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// What a file with this content is taken for.
fn load(folder: &Path, content: &[u8]) -> Result<Model, String> {
    let path = folder.join("r.urdf");
    std::fs::write(&path, content).expect("a file");
    Model::load(&path).map_err(|error| error.to_string())
}

#[test]
fn what_is_not_shown_may_be_as_it_likes() {
    let odd = [
        r#"<gazebo><controller:force name="f"><on>a & b</on></controller:force></gazebo>"#,
        r#"<gazebo reference="base"><visual><geometry><box size="wide"/></geometry></visual></gazebo>"#,
        r#"<transmission name="t"><joint name="nowhere"/><link/></transmission>"#,
        r#"<ros2_control><joint name="j"><command_interface/></joint></ros2_control>"#,
        r#"<material name="m"><color rgba=""/></material><unheard/><!-- a -- b -->"#,
        r#"<mujoco><compiler/></mujoco>"#,
    ];
    let inside = r#"<limit/><dynamics/><safety_controller k_position="nan"/><calibration rising=""/>"#;
    let link = r#"<link name="l"><inertial><mass/></inertial><collision/><visual><origin xyz=""/><geometry>
        <sphere radius="1"/></geometry><material/></visual></link><joint name="k" type="fixed"><parent link="base"/><child link="l"/></joint>"#;
    let model = taken(&robot(&(odd.concat() + &joint("j", "base", "tip", inside) + link)));
    assert_eq!((model.links().len(), model.joints(), model.warnings()), (3, &["j".to_owned()][..], &[][..]));
    assert_eq!(model.shapes()[0].form, Form::Sphere { radius: 1.0 });
}

#[test]
fn a_visual_that_is_half_written_is_left_out_with_a_warning() {
    let cases = [
        ("<geometry/>", "line 2: it has no geometry"),
        ("", "line 2: it has no geometry"),
        ("<geometry><torus/></geometry>", "line 2: it has no geometry"),
        ("<geometry><box/></geometry>", "line 2: <box> has no size"),
        ("<geometry><box size=\"1 2\"/></geometry>", "line 2: <box> has size=\"1 2\"; expected 3 numbers"),
        ("<geometry><box size=\"1 2 3 4\"/></geometry>", "expected 3 numbers"),
        ("<geometry><sphere radius=\"-1\"/></geometry>", "below zero"),
        (
            "<geometry><sphere radius=\"1e308\"/></geometry>",
            "<sphere> has radius=\"1e308\"; expected a number within 10000",
        ),
        ("<geometry><sphere radius=\"${r}\"/></geometry>", "xacro"),
        ("<origin xyz=\"1e308 nan inf\"/><geometry><sphere radius=\"1\"/></geometry>", "<origin> has xyz="),
        ("<geometry><sphere radius=\"1\" radius=\"2\"/></geometry>", "has radius twice"),
    ];
    for (visual, expected) in cases {
        let model = taken(&format!(
            "<robot name=\"r\"><link name=\"a\">\n<visual>{visual}</visual><visual><geometry><sphere radius=\"3\"/></geometry></visual></link></robot>"
        ));
        assert_eq!(model.shapes().len(), 1, "{visual}");
        assert!(model.warnings()[0].starts_with("a visual of link a is not drawn: line 2: "), "{:?}", model.warnings());
        assert!(model.warnings()[0].contains(expected), "{:?}", model.warnings());
    }
    let many = "<visual/>".repeat(1_000);
    assert_eq!(taken(&format!("<robot><link name=\"a\">{many}</link></robot>")).warnings().len(), 22);
}

#[test]
fn a_joint_that_is_half_written_is_refused_with_its_line() {
    let cases = [
        ("<joint type=\"fixed\"/>", "line 2: <joint> has no name"),
        ("<joint name=\"j\"/>", "line 2: <joint> has no type"),
        ("<joint name=\"j\" type=\"hinge\"/>", "line 2: <joint> j has the type \"hinge\", which URDF does not know"),
        ("<joint name=\"j\" type=\"fixed\"/>", "line 2: joint j has no <parent link=..>"),
        ("<joint name=\"j\" type=\"fixed\">\n<parent/></joint>", "line 3: <parent> has no link"),
        ("<joint name=\"j\" type=\"fixed\"><parent link=\"base\"/></joint>", "line 2: joint j has no <child link=..>"),
        ("<link/>", "line 2: <link> has no name"),
        ("<link name=\"a\u{1b}[2J\"/>", "none of which controls"),
        ("<link name=\"&x;\"/>", "line 2: <link> has a name that is no text"),
        ("<link name=\"a/>", "line 2: "),
        ("\n\n</link>", "line 4: "),
        ("<link name=\"a\">", "line 2: "),
    ];
    for (content, expected) in cases {
        let error = refusal(&robot(content));
        assert!(error.starts_with("r.urdf: no URDF: ") && error.contains(expected), "{content}: {error}");
    }
    for number in ["1e308", "-1e308", "10001", "nan", "inf", "-inf", "1,5", "0x1", "${x}"] {
        for place in [
            "<origin xyz=\"0 0 #\"/>",
            "<origin rpy=\"# 0 0\"/>",
            "<axis xyz=\"0 # 0\"/>",
            "<mimic joint=\"i\" offset=\"#\"/>",
        ] {
            let element = place.replace('#', number);
            let error = refusal(&robot(&joint("j", "base", "tip", &element)));
            assert!(error.contains("line 4: <") && error.contains("within 10000"), "{element}: {error}");
        }
    }
    assert!(
        refusal("<robot name=\"r\"><link name=\"a\">\n")
            .contains("line 2: it ends inside an element (link) that begins in line 1")
    );
}

#[test]
fn mimics_of_mimics_are_followed() {
    let chain = joint("j1", "base", "a", "")
        + &joint("j3", "b", "c", "<mimic joint=\"j2\" multiplier=\"0.5\" offset=\"0.1\"/>")
        + &joint("j2", "a", "b", "<mimic joint=\"j1\" multiplier=\"-2\" offset=\"0.3\"/>");
    let model = taken(&robot(&chain));
    assert_eq!(model.joints(), ["j1"]);
    let mut posture = Posture::default();
    let value = 0.7_f64;
    posture.place(&model, &[value]);
    let (second, third) = (-2.0 * value + 0.3, 0.5 * (-2.0 * value + 0.3) + 0.1);
    let (mut angle, mut expected) = (0.0, Vector3::zeros());
    for (name, turn) in [("a", value), ("b", second), ("c", third)] {
        expected += Vector3::new(0.0, -f64::sin(angle), f64::cos(angle));
        angle += turn;
        let at = model.links().iter().position(|link| link == name).expect("a link");
        let got = posture.root_from_link[at];
        assert!((got.translation.vector - expected).norm() < 1e-12, "{name}: {got}");
        assert!((got.rotation.angle() - angle.abs()).abs() < 1e-12, "{name}: {got}");
    }
}

#[test]
fn mimics_that_lead_nowhere_rest_and_are_told_by_name() {
    let fixed =
        "<link name=\"f\"/><joint name=\"fixed\" type=\"fixed\"><parent link=\"base\"/><child link=\"f\"/></joint>";
    let mimic = |of: &str| format!("<mimic joint=\"{of}\"/>");
    let cases = [
        (joint("j", "base", "a", &mimic("gone")), "joint j mimics gone, which is not there"),
        (joint("j", "base", "a", &mimic("fixed")) + fixed, "joint j mimics fixed, which does not move"),
        (joint("j", "base", "a", &mimic("j")), "joint j mimics itself, a circle of others, or a chain of more than 64"),
        (
            joint("j", "base", "a", &mimic("k")) + &joint("k", "a", "b", &mimic("j")),
            "joint j mimics itself, a circle of others, or a chain of more than 64",
        ),
        (
            joint("j", "base", "a", &mimic("k")) + &joint("k", "a", "b", &mimic("gone")),
            "joint j mimics, by way of k, gone, which is not there",
        ),
    ];
    for (content, expected) in cases {
        let model = taken(&robot(&content));
        assert_eq!(model.warnings()[0], format!("line 3: {expected}: it rests"));
        let place = model.links().iter().position(|link| link == "a").expect("a link");
        let mut posture = Posture::default();
        posture.place(&model, &vec![0.7; model.joints().len()]);
        assert!(posture.root_from_link[place].rotation.angle() < 1e-12, "{expected}");
    }
    let growing: String = (1..20)
        .map(|at| {
            joint(
                &format!("j{at}"),
                &format!("l{at}"),
                &format!("l{}", at + 1),
                &format!("<mimic joint=\"j{}\" multiplier=\"9999\"/>", at - 1),
            )
        })
        .collect();
    let model = taken(&robot(&(joint("j0", "base", "l1", "") + &growing)));
    let told = model.warnings();
    assert!(told[0].contains("joint j2 mimics") && told[0].ends_with("it rests"), "{told:?}");
    // Not one line for each of any number.
    assert!(told.iter().any(|text| text == "8 more joints rest for such reasons"), "{told:?}");
}

#[test]
fn what_is_no_urdf_is_named() {
    let cases = [
        ("<robot xmlns:xacro=\"x\"><xacro:macro name=\"m\"/></robot>", "run `xacro r.urdf > r.made.urdf`"),
        ("<sdf version=\"1.7\"><model name=\"m\"/></sdf>", "line 1: <sdf> is SDF, which Gazebo reads; give the URDF"),
        ("<mujoco model=\"m\"><worldbody/></mujoco>", "line 1: <mujoco> is MJCF, which MuJoCo reads; give the URDF"),
        ("<?xml version=\"1.0\"?>\n<!-- x -->\n<COLLADA/>", "line 3: <COLLADA> is a COLLADA mesh"),
        ("<a\u{1b}/>", "is no URDF, whose root is <robot>"),
        ("<robot name=\"srdf\"><group name=\"arm\"/></robot>", "there is no <robot> with a <link>"),
        ("", "there is no <robot> with a <link>"),
    ];
    for (text, expected) in cases {
        let error = refusal(text);
        assert!(error.starts_with("r.urdf: no URDF: ") && error.contains(expected), "{text}: {error}");
    }
    // What xacro leaves in a URDF that it made.
    taken("<robot xmlns:xacro=\"x\" name=\"r\"><link name=\"a\"/></robot>");
}

#[test]
fn files_are_decoded_as_they_declare() {
    let latin1 = b"<?xml version=\"1.0\" encoding='iso-8859-1'?><robot name=\"gr\xfc\xdfe\"><link name=\"a\"/><!-- \xe4 --></robot>";
    let folder = folder("decoded");
    assert_eq!(load(&folder, latin1).expect("Latin-1").name(), "gr\u{fc}\u{df}e");
    let marked = "\u{feff}<robot name=\"gr\u{fc}\u{df}e\"><link name=\"a\"/></robot>";
    assert_eq!(load(&folder, marked.as_bytes()).expect("UTF-8 with a mark").name(), "gr\u{fc}\u{df}e");
    let cases: [(&[u8], &str); 3] = [
        (
            b"<robot name=\"r\">\n<link name=\"\xfc\"/></robot>",
            "line 2: byte 0xfc is not UTF-8, and nothing else is declared",
        ),
        (
            b"<?xml version=\"1.0\" encoding=\"GB2312\"?>\n\xc4<robot/>",
            "line 2: byte 0xc4 is not UTF-8, and \"GB2312\" is declared",
        ),
        (b"\xff\xfe<\0r\0", "it is UTF-16; save it as UTF-8"),
    ];
    for (content, expected) in cases {
        let error = load(&folder, content).expect_err("no text");
        assert!(error.contains(&format!("no URDF: {expected}")), "{error}");
    }
    std::fs::remove_dir_all(folder).expect("it is ours");
}

#[test]
fn what_is_no_moderate_file_is_refused_at_once() {
    let error = Model::load(Path::new("/dev/zero")).expect_err("a device").to_string();
    assert_eq!(error, "/dev/zero: no regular file, but a device");
    let folder = folder("moderate");
    let pipe = folder.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    assert!(Model::load(&pipe).expect_err("a pipe").to_string().ends_with("no regular file, but a pipe"));
    let long = folder.join("long");
    std::fs::File::create(&long).and_then(|file| file.set_len(1 << 40)).expect("a hole");
    assert!(
        Model::load(&long)
            .expect_err("a terabyte")
            .to_string()
            .ends_with("1099511627776 bytes; expected at most 16777216")
    );
    std::fs::remove_dir_all(folder).expect("it is ours");
}

#[test]
fn nothing_costs_much() {
    let nested =
        |count| format!("<robot name=\"r\">{}{}</robot>", "<link name=\"b\">".repeat(count), "</link>".repeat(count));
    for count in [64, 2_000, 20_000, 400_000] {
        assert!(refusal(&nested(count)).contains("line 1: elements are nested more than 64 deep"));
    }
    taken(&nested(63));

    let attributes: String = (0..80_000).fold(String::new(), |mut text, at| {
        write!(text, " a{at}=\"\"").expect("a string takes it");
        text
    });
    let began = Instant::now();
    taken(&format!("<robot name=\"r\"><link name=\"a\"{attributes}/></robot>"));
    assert!(began.elapsed() < PATIENCE);

    let laughs = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;\">]>";
    assert!(refusal(&format!("{laughs}<robot name=\"&c;\"/>")).contains("<robot> has a name that is no text"));
    taken(&format!("{laughs}<robot name=\"r\"><link name=\"a\"/>&c;</robot>"));

    let long = "n".repeat(1 << 20);
    assert!(refusal(&robot(&joint(&long, "base", "tip", ""))).contains("expected at most 256 bytes"));
    assert!(refusal(&robot(&"<link name=\"l\"/>".repeat(3_000))).contains("one of more than 2000 links"));
    let visuals = "<visual><geometry><sphere radius=\"1\"/></geometry></visual>".repeat(5_000);
    assert!(
        refusal(&format!("<robot><link name=\"a\">{visuals}</link></robot>")).contains("one of more than 4096 visuals")
    );
}

/// As long a chain as is taken, backwards, many of which mimic the one before; and one that is longer.
#[test]
fn a_chain_of_links_as_long_as_is_allowed_is_placed() {
    let chain = |count: usize| {
        let link = |at: usize| if at == 0 { "base".to_owned() } else { format!("l{at}") };
        let mimic = |at: usize| if at % 60 == 1 { String::new() } else { format!("<mimic joint=\"j{}\"/>", at - 1) };
        let joints = (1..count).rev().map(|at| joint(&format!("j{at}"), &link(at - 1), &link(at), &mimic(at)));
        robot(&joints.collect::<String>())
    };
    let began = Instant::now();
    let model = taken(&chain(2_000));
    let mut posture = Posture::default();
    posture.place(&model, &[0.0]);
    let top = posture.root_from_link.iter().map(|place| place.translation.z).fold(0.0, f64::max);
    assert!((top - 1_999.0).abs() < 1e-6, "{top}");
    assert!(posture.lowest(&model) <= 0.0);
    assert!(refusal(&chain(20_000)).contains("one of more than 2000 links"));
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}
